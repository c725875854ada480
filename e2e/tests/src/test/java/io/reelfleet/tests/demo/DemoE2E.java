package io.reelfleet.tests.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.tests.video.DecodedVideo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./reelfleet demo} with real operator, gateway and worker processes. */
class DemoE2E {
    private static final Duration LIMIT = Duration.ofMinutes(6);

    @TempDir Path folder;
    private Process demo;

    @AfterEach
    void endTheDemo() {
        if (demo != null) {
            demo.destroyForcibly();
        }
    }

    @Test
    void endsByItselfWithASummaryThatAgreesWithTheVideosAndLeavesNoProcess() throws Exception {
        Path out = folder.resolve("an out folder");
        demo =
                start(
                        "demo",
                        "--seconds",
                        "24",
                        "--workers",
                        "2",
                        "--no-open",
                        "--out",
                        out.toString());

        assertThat(demo.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)).as(terminal()).isTrue();

        assertThat(demo.exitValue()).as(terminal()).isZero();
        JsonNode summary = summary(out);
        assertThat(summary.path("chunks_generated").asLong()).isPositive();
        assertThat(summary.path("time_compression").asDouble()).isEqualTo(1);
        assertThat(summary.path("workers_peak").asInt()).isBetween(1, 2);
        assertThat(summary.path("worker_seconds").asDouble()).isPositive();
        assertThat(summary.path("chunk_latency_p99_s").asDouble())
                .isGreaterThanOrEqualTo(summary.path("chunk_latency_p50_s").asDouble());
        for (String field :
                List.of(
                        "sessions",
                        "sessions_in_trace",
                        "chunks_late",
                        "sessions_suspended",
                        "sessions_resumed",
                        "migrations")) {
            assertThat(summary.path(field).isIntegralNumber()).as(field).isTrue();
        }
        agreesWithItsVideos(summary, out);
        itsMovesAgreeWithTheLogs(summary);
        assertThat(terminal())
                .contains(
                        "Live page",
                        "of " + summary.path("sessions_in_trace").asInt() + " sessions, time / 1");
        assertThat(Files.readString(out.resolve("report.html")))
                .contains("<svg", "data:image/png;base64,", "videos/");
        assertThat(out.resolve("latency.png")).isNotEmptyFile();
        nothingIsLeft(out);
        itsDecisionsReadBack(summary);
    }

    /** What the operator recorded, beside what another policy would have done with the same. */
    private void itsDecisionsReadBack(JsonNode summary) throws Exception {
        Path record = folder.resolve("decisions/decisions-default-shapes.csv");
        Path out = folder.resolve("replayed");
        Process replay =
                start(
                        "replay",
                        "--trace",
                        record.toString(),
                        "--policy",
                        "least-loaded+static-peak",
                        "--out",
                        out.toString());
        assertThat(replay.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)).as(terminal()).isTrue();
        assertThat(replay.exitValue()).as(terminal()).isZero();
        JsonNode policies =
                new ObjectMapper().readTree(out.resolve("results.json").toFile()).path("policies");
        assertThat(policies.findValuesAsText("name"))
                .containsExactlyInAnyOrder("production+recorded", "least-loaded+static-peak");
        JsonNode production =
                policies.get(0).path("name").asText().equals("production+recorded")
                        ? policies.get(0)
                        : policies.get(1);
        // The record ends with its last change, the demo a little later.
        double workerSeconds = summary.path("worker_seconds").asDouble();
        assertThat(production.path("gpu_s").asDouble())
                .isBetween(0.7 * workerSeconds, 1.02 * workerSeconds);
    }

    @Test
    void ctrlCEndsItInOrderAndStillWritesTheReport() throws Exception {
        Path out = folder.resolve("out");
        demo =
                start(
                        "demo",
                        "--seconds",
                        "600",
                        "--workers",
                        "2",
                        "--no-open",
                        "--out",
                        out.toString());
        await(() -> terminal().contains(" s: sessions ") && !terminal().contains("failed"));
        await(() -> hasAChunk(out));

        new ProcessBuilder("kill", "-INT", Long.toString(demo.pid())).start().waitFor();

        assertThat(demo.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS)).as(terminal()).isTrue();
        assertThat(demo.exitValue()).as(terminal()).isZero();
        JsonNode summary = summary(out);
        assertThat(summary.path("stopped_early").asBoolean()).isTrue();
        agreesWithItsVideos(summary, out);
        nothingIsLeft(out);
    }

    private static void agreesWithItsVideos(JsonNode summary, Path out) {
        long chunks = 0;
        int videos = 0;
        for (JsonNode video : summary.path("videos")) {
            DecodedVideo decoded = DecodedVideo.of(out.resolve(video.path("path").asText()));
            assertThat(decoded.frames())
                    .as(video.toString())
                    .isEqualTo(video.path("frames").asInt());
            assertThat(decoded.seconds())
                    .as(video.toString())
                    .isCloseTo(video.path("seconds").asDouble(), within(0.01));
            // 9 frames in the first chunk, 12 in each after it.
            assertThat(decoded.frames()).isEqualTo(12 * video.path("chunks").asInt() - 3);
            chunks += video.path("chunks").asLong();
            videos++;
        }
        assertThat(summary.path("chunks_generated").asLong()).isEqualTo(chunks);
        assertThat(summary.path("sessions").asInt())
                .isEqualTo(videos + summary.path("sessions_without_chunks").asInt());
    }

    private static void itsMovesAgreeWithTheLogs(JsonNode summary) {
        long moved = 0;
        long byState = 0;
        for (JsonNode move : summary.path("moves")) {
            boolean arrived = move.path("outcome").asText().equals("Moved");
            boolean state = !move.path("transport").asText().equals("log");
            moved += arrived ? 1 : 0;
            byState += arrived && state ? 1 : 0;
            if (arrived && state) {
                assertThat(move.path("in_log").asBoolean()).as(move.toString()).isTrue();
                assertThat(move.path("from")).as(move.toString()).isNotEqualTo(move.path("to"));
            }
        }
        assertThat(summary.path("moves_in_logs").asLong()).isEqualTo(byState);
        assertThat(summary.path("migrations").asLong()).isEqualTo(moved);
        assertThat(summary.path("move_stood_still_worst_ms").isNumber()).isTrue();
    }

    /** Every process of the demo names its folder in its arguments. */
    private static void nothingIsLeft(Path out) {
        assertThat(
                        ProcessHandle.allProcesses()
                                .filter(
                                        p ->
                                                p.info()
                                                        .commandLine()
                                                        .orElse("")
                                                        .contains(out + "/.fleet")))
                .isEmpty();
        assertThat(out.resolve(".fleet")).doesNotExist();
    }

    private static boolean hasAChunk(Path out) {
        try (var files = Files.walk(out.resolve(".fleet/demo/store"))) {
            return files.anyMatch(f -> f.getFileName().toString().equals("0000000002"));
        } catch (IOException | java.io.UncheckedIOException e) {
            return false;
        }
    }

    private void await(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(demo.isAlive()).as(terminal()).isTrue();
            assertThat(System.nanoTime()).as(terminal()).isLessThan(deadline);
            demo.waitFor(200, TimeUnit.MILLISECONDS);
        }
    }

    private static JsonNode summary(Path out) throws IOException {
        return new ObjectMapper().readTree(out.resolve("summary.json").toFile());
    }

    private String terminal() {
        try {
            return Files.readString(folder.resolve("terminal"));
        } catch (IOException e) {
            return "";
        }
    }

    /** As the launcher starts the program once it is built. */
    private Process start(String... arguments) throws IOException {
        Path root = Path.of("../..").toAbsolutePath().normalize();
        Path cli = root.resolve("e2e/cli/target");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx512m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-Djava.awt.headless=true",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                cli.resolve("classes") + ":" + cli.resolve("lib") + "/*",
                                "io.reelfleet.cli.Reelfleet"));
        command.addAll(List.of(arguments));
        if (Files.isExecutable(Path.of("/usr/bin/env"))
                && System.getProperty("os.name").equals("Linux")) {
            // Whoever runs the tests in the background ignores SIGINT, and children inherit that.
            command.addAll(0, List.of("/usr/bin/env", "--default-signal=INT"));
        }
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("REELFLEET_CHECKOUT", root.toString());
        builder.environment().put("REELFLEET_HOME", folder.resolve("home").toString());
        builder.environment()
                .put("REELFLEET_DECISIONS_DIR", folder.resolve("decisions").toString());
        return builder.redirectErrorStream(true)
                .redirectOutput(folder.resolve("terminal").toFile())
                .redirectInput(Path.of("/dev/null").toFile())
                .start();
    }
}
