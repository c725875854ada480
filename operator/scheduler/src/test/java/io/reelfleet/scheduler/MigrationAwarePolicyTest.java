package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Decisions by hand. */
class MigrationAwarePolicyTest {
    private final MigrationAwarePolicy policy = new MigrationAwarePolicy();

    private static Outlook wanted(int workers) {
        return new Outlook(true, workers, Long.MAX_VALUE, 1, "room for the active sessions");
    }

    private static FleetSnapshot fleet(
            PoolSettings pool,
            Outlook outlook,
            List<WorkerSnapshot> workers,
            List<SessionSnapshot> sessions) {
        return new FleetSnapshot(
                Snapshots.NOW, pool, workers, sessions, DemandHistory.none(), outlook);
    }

    private static List<WorkerSnapshot> ready(String... names) {
        List<WorkerSnapshot> workers = new ArrayList<>();
        for (String name : names) {
            workers.add(Snapshots.worker(name, Phase.READY));
        }
        return workers;
    }

    private static List<SessionSnapshot> on(String worker, int from, int count) {
        List<SessionSnapshot> sessions = new ArrayList<>();
        for (int i = from; i < from + count; i++) {
            sessions.add(Snapshots.session("s" + i, new Place.Device(worker)));
        }
        return sessions;
    }

    @SafeVarargs
    private static List<SessionSnapshot> all(List<SessionSnapshot>... parts) {
        List<SessionSnapshot> sessions = new ArrayList<>();
        for (List<SessionSnapshot> part : parts) {
            sessions.addAll(part);
        }
        return sessions;
    }

    private static final PoolSettings PREDICTIVE =
            Snapshots.pool(PoolSettings.Mode.PREDICTIVE, 4, 0, 10);

    @Test
    void asManyWorkersAsTheOutlookWants() {
        Plan plan = policy.decide(fleet(PREDICTIVE, wanted(3), ready("a"), on("a", 0, 2)));
        assertThat(plan.actions()).containsExactly(new Action.RequestWorkers(2));
        assertThat(plan.reason()).contains("2 active sessions").contains("room for the active");
    }

    @Test
    void beforeScaleInTheLeastLoadedWorkerIsEmptied() {
        Plan plan =
                policy.decide(
                        fleet(
                                PREDICTIVE,
                                wanted(2),
                                ready("a", "b", "c"),
                                all(on("a", 0, 2), on("b", 2, 1), on("c", 3, 2))));
        assertThat(plan.actions())
                .containsExactly(new Action.DrainWorker("b"), new Action.Move("s2", "b", "a"));
    }

    @Test
    void afterScaleOutLoadIsSpread() {
        Plan plan = policy.decide(fleet(PREDICTIVE, wanted(2), ready("a", "b"), on("a", 0, 4)));
        assertThat(plan.actions()).containsExactly(new Action.Move("s3", "a", "b"));
    }

    @Test
    void excessSessionsWaitSoThatTheOthersAreOnTime() {
        Plan plan = policy.decide(fleet(PREDICTIVE, wanted(1), ready("a"), on("a", 0, 5)));
        assertThat(plan.actions()).containsExactly(new Action.Suspend("s4", "a"));
    }

    @Test
    void aSessionOfHigherPriorityTakesAPlace() {
        SessionSnapshot urgent =
                new SessionSnapshot(
                        "u", true, true, 5, 1, Snapshots.NOW, 0, new Place.Store(), false, false);
        FleetSnapshot full =
                fleet(PREDICTIVE, wanted(1), ready("a"), all(on("a", 0, 4), List.of(urgent)));
        Plan plan = policy.decide(full);
        assertThat(plan.actions()).containsExactly(new Action.Suspend("s0", "a"));
        assertThat(policy.decide(Snapshots.after(full, plan)).actions())
                .contains(new Action.Place("u", "a"));
    }

    @Test
    void aHeavySessionOfHigherPriorityTakesThePlaceOfSeveralOnOneWorker() {
        SessionSnapshot heavy =
                new SessionSnapshot(
                        "u", true, true, 5, 2, Snapshots.NOW, 0, new Place.Store(), false, false);
        FleetSnapshot full =
                fleet(
                        PREDICTIVE,
                        wanted(2),
                        ready("a", "b"),
                        all(on("a", 0, 4), on("b", 4, 3), List.of(heavy)));
        Plan plan = policy.decide(full);
        assertThat(plan.actions())
                .as("one place is free on b, so one has to go there and two on a")
                .containsExactly(new Action.Suspend("s4", "b"));
        assertThat(policy.decide(Snapshots.after(full, plan)).actions())
                .contains(new Action.Place("u", "b"));

        FleetSnapshot fuller =
                fleet(PREDICTIVE, wanted(1), ready("a"), all(on("a", 0, 4), List.of(heavy)));
        Plan two = policy.decide(fuller);
        assertThat(two.actions())
                .containsExactly(new Action.Suspend("s0", "a"), new Action.Suspend("s1", "a"));
        assertThat(policy.decide(Snapshots.after(fuller, two)).actions())
                .contains(new Action.Place("u", "a"));
    }

    @Test
    void whoHasWaitedForATurnGetsOne() {
        long turn = 20 * 750;
        List<SessionSnapshot> sessions = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            sessions.add(
                    new SessionSnapshot(
                            "s" + i,
                            true,
                            true,
                            0,
                            1,
                            Snapshots.NOW - 10 * turn + i,
                            0,
                            new Place.Device("a"),
                            false,
                            false));
        }
        sessions.add(waiting("w", Snapshots.NOW - turn / 2));
        FleetSnapshot early = fleet(PREDICTIVE, wanted(1), ready("a"), sessions);
        assertThat(policy.decide(early).actions()).isEmpty();
        assertThat(policy.decide(early).wakeAtMillis()).isEqualTo(Snapshots.NOW + turn / 2);
        sessions.set(4, waiting("w", Snapshots.NOW - turn));
        assertThat(policy.decide(fleet(PREDICTIVE, wanted(1), ready("a"), sessions)).actions())
                .containsExactly(new Action.Suspend("s0", "a"));
    }

    private static SessionSnapshot waiting(String uid, long since) {
        return new SessionSnapshot(
                uid, true, true, 0, 1, since, 0, new Place.Store(), false, false);
    }

    @Test
    void aSessionResumesWhereItsStateIsUnlessAnotherIsBetterByAWholeSession() {
        SessionSnapshot parked = Snapshots.session("p", new Place.Host("a"));
        assertThat(
                        policy.decide(
                                        fleet(
                                                PREDICTIVE,
                                                wanted(2),
                                                ready("a", "b"),
                                                all(on("a", 0, 1), on("b", 1, 1), List.of(parked))))
                                .actions())
                .containsExactly(new Action.Resume("p", "a"));
        assertThat(
                        policy.decide(
                                        fleet(
                                                PREDICTIVE,
                                                wanted(2),
                                                ready("a", "b"),
                                                all(on("a", 0, 3), on("b", 3, 1), List.of(parked))))
                                .actions())
                .containsExactly(new Action.Move("p", "a", "b"));
    }

    @Test
    void anIdleStateMakesRoomOnAFullDevice() {
        WorkerSnapshot small = new WorkerSnapshot("a", Phase.READY, false, 20, 10, 1, 10, 0, 0);
        SessionSnapshot idle =
                new SessionSnapshot(
                        "idle",
                        true,
                        false,
                        0,
                        1,
                        1,
                        Snapshots.NOW - 1_000,
                        new Place.Device("a"),
                        false,
                        false);
        FleetSnapshot full =
                fleet(
                        PREDICTIVE,
                        wanted(1),
                        List.of(small),
                        all(
                                on("a", 0, 1),
                                List.of(idle),
                                List.of(Snapshots.session("new", new Place.Store()))));
        Plan plan = policy.decide(full);
        assertThat(plan.actions()).containsExactly(new Action.Suspend("idle", "a"));
        assertThat(policy.decide(Snapshots.after(full, plan)).actions())
                .containsExactly(new Action.Place("new", "a"));
    }

    @Test
    void aFasterWorkerCarriesMore() {
        List<WorkerSnapshot> workers =
                List.of(
                        new WorkerSnapshot("slow", Phase.READY, false, 0, 0, 1, 10, 0, 0, "", 2),
                        new WorkerSnapshot("fast", Phase.READY, false, 0, 0, 1, 11, 0, 0, "", 6));
        FleetSnapshot now =
                fleet(
                        PREDICTIVE,
                        wanted(2),
                        workers,
                        all(
                                on("fast", 0, 3),
                                List.of(Snapshots.session("new", new Place.Store()))));
        assertThat(policy.decide(now).actions())
                .as("one of two is as much as three of six, four of six is more")
                .containsExactly(new Action.Place("new", "slow"));
    }

    @Test
    void onlyAWholeNodeIsGivenBackWhenNodesArePaidFor() {
        PoolSettings byNode =
                PoolSettings.of(PoolSettings.Mode.PREDICTIVE, 4, 0, 16)
                        .maxMoves(8)
                        .economy(new PoolSettings.Economy(0, 2))
                        .build();
        List<WorkerSnapshot> workers = new ArrayList<>();
        for (String name : List.of("a1", "a2", "b1", "b2")) {
            workers.add(
                    new WorkerSnapshot(
                            name, Phase.READY, false, 0, 0, 1, 10, 0, 0, name.substring(0, 1), 0));
        }
        List<SessionSnapshot> sessions = all(on("a1", 0, 2), on("b1", 2, 1), on("b2", 3, 1));
        Plan three = policy.decide(fleet(byNode, wanted(3), workers, sessions));
        assertThat(three.wantedWorkers()).isEqualTo(4);
        assertThat(three.actions()).isEmpty();
        Plan two = policy.decide(fleet(byNode, wanted(2), workers, sessions));
        assertThat(two.actions())
                .contains(new Action.DrainWorker("a1"))
                .contains(new Action.ReleaseWorker("a2"))
                .doesNotContain(new Action.DrainWorker("b1"));
    }

    @Test
    void sparesAreKeptOnTop() {
        PoolSettings spare =
                PoolSettings.of(PoolSettings.Mode.PREDICTIVE, 4, 0, 16)
                        .maxMoves(8)
                        .economy(new PoolSettings.Economy(2, 1))
                        .build();
        Plan plan = policy.decide(fleet(spare, wanted(1), ready("a"), on("a", 0, 1)));
        assertThat(plan.wantedWorkers()).isEqualTo(3);
        assertThat(plan.reason()).contains("2 spare");
    }
}
