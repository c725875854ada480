package io.reelfleet.tests.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A few runs of {@code ./reelfleet chaos}: real processes, real faults, the oracle. */
class ChaosE2E {
    private static final int RUNS = 4;
    private static final long LIMIT_MINUTES = 6;

    @TempDir Path folder;
    private final Path root = Path.of("../..").toAbsolutePath().normalize();

    @Test
    void aFewRunsLoseNothing() throws Exception {
        Path cli = root.resolve("e2e/cli/target");
        Path said = folder.resolve("said.txt");
        ProcessBuilder builder =
                new ProcessBuilder(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx256m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                cli.resolve("classes") + ":" + cli.resolve("lib") + "/*",
                                "io.reelfleet.cli.Reelfleet",
                                "chaos",
                                "--runs",
                                Integer.toString(RUNS),
                                "--seed",
                                "2027",
                                "--out",
                                folder.resolve("out").toString()));
        builder.environment().put("REELFLEET_CHECKOUT", root.toString());
        Process process = builder.redirectErrorStream(true).redirectOutput(said.toFile()).start();
        assertThat(process.waitFor(LIMIT_MINUTES, TimeUnit.MINUTES)).isTrue();
        String text = Files.readString(said);
        System.out.println(text);

        assertThat(process.exitValue()).as(text).isZero();
        assertThat(text)
                .contains(RUNS + " runs: 0 lost, 0 doubled, 0 altered, 0 broken, 0 pages leaked");
        JsonNode summary = new ObjectMapper().readTree(folder.resolve("out/summary.json").toFile());
        assertThat(summary.path("runs").asInt()).isEqualTo(RUNS);
        long compared = 0;
        long moves = 0;
        for (JsonNode run : summary.path("results")) {
            assertThat(run.path("acts")).isNotEmpty();
            for (JsonNode session : run.path("sessions")) {
                compared += session.path("compared").asLong();
                moves += session.path("moves").asLong();
            }
        }
        assertThat(compared).as("chunks held bit by bit").isPositive();
        assertThat(moves).as("live moves").isPositive();
    }
}
