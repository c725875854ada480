package io.reelfleet.operator.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.scheduler.DemandHistory;
import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.PoolSettings;
import io.reelfleet.scheduler.SessionSnapshot;
import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which policy decides, what its shadow says, and what is written of it. */
class DecidingTest {
    private static final long START = 1_000_000;

    private static PoolDefinition pool(String policy, String shadow) {
        PoolDefinition plain = TestFleet.pool(PoolSettings.Mode.REACTIVE, 2, 0, 8);
        return new PoolDefinition(
                plain.name(),
                null,
                1,
                plain.model(),
                plain.settings(),
                Map.of(),
                Set.of(),
                null,
                policy,
                shadow);
    }

    private static FleetSnapshot snapshot(
            long at, PoolDefinition pool, List<WorkerSnapshot> workers, SessionSnapshot... s) {
        return new FleetSnapshot(at, pool.settings(), workers, List.of(s), DemandHistory.none());
    }

    private static WorkerSnapshot worker(String name, Phase phase) {
        return new WorkerSnapshot(
                name, phase, false, 0, 0, START, phase == Phase.READY ? START + 2_000 : 0, 0, 0);
    }

    private static SessionSnapshot on(String uid, String worker) {
        return new SessionSnapshot(
                uid, true, true, 0, 1, START, 0, new Place.Device(worker), false, false);
    }

    @Test
    void theAnnotationNamesThePolicy() {
        // Five sessions on a worker for two: one policy lets those wait that are too many, the
        // other leaves them where they are.
        List<WorkerSnapshot> workers = List.of(worker("a", Phase.READY));
        SessionSnapshot[] sessions = {on("s1", "a"), on("s2", "a"), on("s3", "a")};
        PoolDefinition aware = pool("", "");
        PoolDefinition least = pool("LeastLoaded", "");
        Plan waits =
                new Deciding(DecisionRecorder.NONE)
                        .decide(aware, snapshot(START, aware, workers, sessions), 0, 0);
        Plan stays =
                new Deciding(DecisionRecorder.NONE)
                        .decide(least, snapshot(START, least, workers, sessions), 0, 0);
        assertThat(waits.actions().toString()).contains("Suspend");
        assertThat(stays.actions().toString()).doesNotContain("Suspend");
    }

    @Test
    void theShadowIsComparedAndNotCarriedOut() {
        Deciding deciding = new Deciding(DecisionRecorder.NONE);
        PoolDefinition pool = pool("LeastLoaded", "MigrationAware");
        List<WorkerSnapshot> workers = List.of(worker("a", Phase.READY));
        Plan plan =
                deciding.decide(
                        pool,
                        snapshot(START, pool, workers, on("s1", "a"), on("s2", "a"), on("s3", "a")),
                        0,
                        0);
        assertThat(plan.actions().toString()).doesNotContain("Suspend");
        assertThat(deciding.shadow().wanted()).isEqualTo(2);
        assertThat(deciding.shadow().differs()).isEqualTo(1);
    }

    @Test
    void theRecordSaysWhatBecameOfDecisions(@TempDir Path folder) throws Exception {
        DecisionRecorder recorder = new DecisionRecorder(folder, Runnable::run);
        PoolDefinition pool = pool("", "");
        SessionSnapshot waiting =
                new SessionSnapshot(
                        "s1", true, true, 0, 1, START, 0, new Place.Store(), false, false);
        recorder.record(
                "default/shapes",
                snapshot(START, pool, List.of(worker("a", Phase.REQUESTED)), waiting));
        recorder.record(
                "default/shapes",
                snapshot(START + 2_000, pool, List.of(worker("a", Phase.READY)), on("s1", "a")));
        recorder.record("default/shapes", snapshot(START + 5_000, pool, List.of()));
        assertThat(Files.readAllLines(folder.resolve("decisions-default-shapes.csv")))
                .containsExactly(
                        "t_s,kind,worker,session",
                        "1000.000,gpu_requested,a,",
                        "1000.000,wanted,,s1",
                        "1002.000,gpu_ready,a,",
                        "1002.000,place,a,s1",
                        "1005.000,unplace,a,s1",
                        "1005.000,closed,,s1",
                        "1005.000,gpu_released,a,");
    }

    @Test
    void aScheduleMayPassMidnight() {
        GPUPoolSpec.ScheduleEntry night =
                new GPUPoolSpec.ScheduleEntry("night", "22:00", "06:00", "Europe/Berlin", 3);
        assertThat(Floors.inForce(night, Instant.parse("2026-01-10T23:30:00Z"))).isTrue();
        assertThat(Floors.inForce(night, Instant.parse("2026-01-10T04:59:00Z"))).isTrue();
        assertThat(Floors.inForce(night, Instant.parse("2026-01-10T05:00:00Z"))).isFalse();
        assertThat(Floors.inForce(night, Instant.parse("2026-01-10T12:00:00Z"))).isFalse();
    }
}
