package io.reelfleet.replay.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceSession;
import io.reelfleet.replay.bound.DemandCurve;
import io.reelfleet.replay.production.DecisionRecord;
import io.reelfleet.replay.rival.Rivals;
import io.reelfleet.scheduler.LeastLoadedPolicy;
import io.reelfleet.scheduler.MigrationAwarePolicy;
import io.reelfleet.scheduler.Policy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JournalTest {
    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "round-robin+hpa",
                "least-loaded+kpa",
                "least-memory+agones",
                "power-of-two+ray-serve",
                "place-at-resume+dynamo",
                "llumnix+hpa",
                "oracle+kpa",
                "turboserve+turboserve",
                "turboserve-no-migration+turboserve"
            })
    void costAndLatenessFollowFromTheRecordAndTheTraceAlone(String name) throws Exception {
        Trace trace = trace(120, 11);
        Workload work = Workload.of(trace, 1, 1);
        Rivals.Entry rival =
                Rivals.all(DemandCurve.of(work), 4, 1).stream()
                        .filter(e -> e.name().equals(name))
                        .findFirst()
                        .orElseThrow();

        check(trace, work, rival.fresh().get(), rival.freeMoves(), 0);
    }

    @Test
    void alsoForThePoliciesTheOperatorRunsAndWhenWorkersFail() throws Exception {
        Trace trace = trace(120, 12);
        Workload work = Workload.of(trace, 1, 1);

        check(trace, work, new LeastLoadedPolicy(), false, 0);
        check(trace, work, new LeastLoadedPolicy(), false, 120);
        check(trace, work, new MigrationAwarePolicy(), false, 0);
        check(trace, work, new MigrationAwarePolicy(), false, 120);
    }

    private void check(Trace trace, Workload work, Policy policy, boolean free, double life)
            throws Exception {
        Conditions world = Conditions.comparison(4, StartUp.fixed(5), 1).failing(life);
        Path csv = folder.resolve("decisions.csv");
        Outcome outcome;
        try (Journal journal = Journal.in(csv)) {
            outcome =
                    free
                            ? Simulation.runWithFreeMoves(work, policy, world, journal)
                            : Simulation.run(work, policy, 0.01, world, journal);
        }

        DecisionRecord.Account check =
                DecisionRecord.read(csv).account(trace, 750, world.latency());

        assertThat(check.gpuSeconds()).isCloseTo(outcome.gpuSeconds(), within(1e-6));
        assertThat(check.due()).isEqualTo(outcome.due());
        assertThat(check.late()).isEqualTo(outcome.late());
        assertThat(check.scaleChanges()).isEqualTo(outcome.scaleChanges());
        assertThat(outcome.late()).isPositive();
        assertThat(Files.size(csv)).isPositive();
    }

    /**
     * Sessions with several bursts, so many at once that workers come and go; whole milliseconds.
     */
    private static Trace trace(int sessions, long seed) {
        Random random = new Random(seed);
        List<TraceSession> all = new ArrayList<>();
        for (int i = 0; i < sessions; i++) {
            long at = random.nextInt(600_000);
            List<Burst> bursts = new ArrayList<>();
            for (int b = 0; b <= random.nextInt(5); b++) {
                long end = at + 1_000 + random.nextInt(60_000);
                bursts.add(new Burst(at / 1000.0, end / 1000.0));
                at = end + random.nextInt(90_000);
            }
            all.add(new TraceSession("s" + i, bursts));
        }
        all.sort(Comparator.comparingDouble(TraceSession::opens));
        return new Trace(all);
    }
}
