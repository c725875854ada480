package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.replay.Trace;
import io.reelfleet.replay.production.DecisionRecord;
import io.reelfleet.replay.report.Comparison;
import io.reelfleet.replay.report.Results;
import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.Outcome;
import io.reelfleet.replay.sim.StartUp;
import io.reelfleet.replay.sim.Workload;
import io.reelfleet.scheduler.LatencyProfile;
import io.reelfleet.scheduler.PoolSettings;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What an operator recorded of a run, read back by replay: what production did is what its own
 * statistics said, and other policies run on the same sessions.
 */
final class RecordedRunTest {
    private static final int CAPACITY = 2;
    private static final long CHUNK_MILLIS = 500;

    private final Listening told = new Listening();

    private static PoolDefinition pool() {
        PoolDefinition plain = TestFleet.pool(PoolSettings.Mode.REACTIVE, CAPACITY, 0, 3);
        return new PoolDefinition(
                plain.name(),
                null,
                1,
                plain.model(),
                PoolSettings.of(PoolSettings.Mode.REACTIVE, CAPACITY, 0, 3)
                        .downDelayMillis(10_000)
                        .startUpMillis(TestFleet.START_UP_MILLIS)
                        .latencyTargetMillis(CHUNK_MILLIS)
                        .chunkIntervalMillis(CHUNK_MILLIS)
                        .idleTimeoutMillis(30_000)
                        .build(),
                Map.of(),
                Set.of(),
                null);
    }

    /** Twenty minutes of sessions that come, pause, go on and go; at the end nothing is left. */
    private TestFleet production(Path folder) {
        TestFleet fleet =
                new TestFleet(
                        pool(), new Deciding(new DecisionRecorder(folder, Runnable::run), told));
        fleet.chunkSeconds = CHUNK_MILLIS / 1000.0;
        fleet.latency = (gpu, n) -> CHUNK_MILLIS / 1000.0 * n / CAPACITY;
        fleet.countsWaits = true;
        fleet.moving = TestFleet.Moving.WORKS;
        Random random = new Random(3);
        Set<String> open = new HashSet<>();
        int names = 0;
        for (int i = 0; i < 240; i++) {
            List<String> there = List.copyOf(open);
            String one = there.isEmpty() ? "" : there.get(random.nextInt(there.size()));
            switch (random.nextInt(6)) {
                case 0, 1 -> {
                    String uid = "s" + names++;
                    open.add(uid);
                    fleet.loop.want(wish(uid));
                }
                case 2 -> {
                    open.remove(one);
                    fleet.loop.unwant(one, "Deleted");
                }
                case 3 -> {
                    if (!one.isEmpty()) {
                        fleet.loop.want(wish(one, random.nextInt(3) > 0));
                    }
                }
                default -> {}
            }
            if (open.size() > 9) {
                open.remove(one);
                fleet.loop.unwant(one, "Deleted");
            }
            fleet.run(5);
        }
        open.forEach(uid -> fleet.loop.unwant(uid, "Deleted"));
        fleet.run(60);
        assertThat(fleet.workers).isEmpty();
        return fleet;
    }

    @Test
    void readsBackAsItWasAndUnderAnotherPolicy(@TempDir Path folder) throws Exception {
        TestFleet fleet = production(folder);
        PoolView.Totals totals = fleet.loop.view().totals();
        assertThat(totals.waitedSeconds()).as("it was busy").isGreaterThan(30);
        assertThat(totals.migrations()).isPositive();

        Path file = folder.resolve("decisions-default-demo.csv");
        assertThat(DecisionRecord.is(file)).isTrue();
        DecisionRecord record = DecisionRecord.read(file);
        Trace trace = record.trace();
        LatencyProfile profile = LatencyProfile.proportional(CHUNK_MILLIS, CAPACITY);
        Outcome production = record.outcome(trace, CHUNK_MILLIS, profile);

        // A worker appears in the record a step after its request and goes a step after its end.
        assertThat(production.gpuSeconds()).isCloseTo(totals.workerSeconds(), within(3.0));
        double due = production.due() * CHUNK_MILLIS / 1000.0;
        double late = production.late() * CHUNK_MILLIS / 1000.0;
        assertThat(due).isCloseTo(told.due, within(0.02 * told.due));
        assertThat(late).isCloseTo(told.late, within(0.1 * told.late));
        // A session that wakes elsewhere is a move to the operator and a placement here.
        assertThat(production.migrations()).isBetween(1L, totals.migrations());

        Conditions world =
                Conditions.of(
                        CAPACITY,
                        CHUNK_MILLIS,
                        profile,
                        StartUp.fixed(TestFleet.START_UP_MILLIS / 1000.0),
                        1);
        Comparison comparison =
                new Comparison("production", 1, Workload.of(trace, 1, 1), world, List.of(0.01));
        comparison.beside(production);
        Results results =
                comparison.run(
                        comparison.contenders(
                                List.of("migration-aware+predictive", "least-loaded+static-peak")),
                        Optional.empty(),
                        1,
                        name -> {});
        assertThat(results.rows())
                .extracting(r -> r.contender().name())
                .containsExactlyInAnyOrder(
                        "production+recorded",
                        "migration-aware+predictive@0.01",
                        "least-loaded+static-peak");
        for (Results.Row row : results.rows()) {
            assertThat(row.outcome().due())
                    .as("the same sessions for %s", row.contender().name())
                    .isEqualTo(production.due());
        }
        assertThat(gpuSeconds(results, "least-loaded+static-peak"))
                .as("for the peak all the time")
                .isGreaterThan(production.gpuSeconds());
    }

    private static double gpuSeconds(Results results, String name) {
        return results.rows().stream()
                .filter(r -> r.contender().name().equals(name))
                .findFirst()
                .orElseThrow()
                .outcome()
                .gpuSeconds();
    }
}
