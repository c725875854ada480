package io.reelfleet.migration.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * The same protocol over a virtual network that loses, doubles and delays, with more faults and
 * moves in a row than a search of all orders can take: runs drawn from seeds. {@code
 * -Dreelfleet.simulations=N} sets their number, {@code -Dreelfleet.simulation.seed=N} runs one
 * again.
 */
class SimulationTest {

    @Test
    void everySeedSettlesWithNothingLostDoubledOrLeaked() {
        Long one = Long.getLong("reelfleet.simulation.seed");
        long runs = one != null ? 1 : Long.getLong("reelfleet.simulations", 10_000);
        long started = System.nanoTime();

        Simulation.Result result = Simulation.run(one != null ? one : 0, runs);

        System.out.printf(
                "simulation: %,d runs, %,d steps, %,d chunks stored, %,d changes of owner, %d"
                        + " failed, %.1f s%n",
                runs,
                result.steps(),
                result.chunks(),
                result.changes(),
                result.failed().size(),
                (System.nanoTime() - started) / 1e9);
        assertThat(result.failed()).as("-Dreelfleet.simulation.seed=SEED runs one again").isEmpty();
        assertThat(result.changes()).as("changes of owner").isGreaterThanOrEqualTo(runs / 10);
    }

    @Test
    void aSeedIsTheSameRunInAnotherJvm() throws Exception {
        Simulation.Result here = Simulation.run(0, 100);

        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                Simulation.class.getName(),
                                "0",
                                "100")
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor()).isZero();
        assertThat(said)
                .startsWith(
                        "100 simulated runs: %,d steps, %,d chunks stored, %,d changes of owner"
                                .formatted(here.steps(), here.chunks(), here.changes()));
    }
}
