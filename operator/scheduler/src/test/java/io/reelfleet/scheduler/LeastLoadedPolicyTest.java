package io.reelfleet.scheduler;

import static io.reelfleet.scheduler.Snapshots.NOW;
import static io.reelfleet.scheduler.Snapshots.pool;
import static io.reelfleet.scheduler.Snapshots.session;
import static io.reelfleet.scheduler.Snapshots.snapshot;
import static io.reelfleet.scheduler.Snapshots.worker;
import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.List;
import org.junit.jupiter.api.Test;

final class LeastLoadedPolicyTest {
    private final LeastLoadedPolicy policy = new LeastLoadedPolicy();

    @Test
    void sessionsAskForAsManyWorkersAsTheirNumberNeeds() {
        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 0, 10),
                                List.of(),
                                List.of(
                                        session("a", new Place.Store()),
                                        session("b", new Place.Store()),
                                        session("c", new Place.Store()))));

        assertThat(plan.wantedWorkers()).isEqualTo(2);
        assertThat(plan.actions()).containsExactly(new Action.RequestWorkers(2));
        assertThat(plan.reason()).isEqualTo("3 active sessions at 2 per worker need 2 workers");
    }

    @Test
    void aSessionGoesToTheWorkerWithTheFewestActiveOnes() {
        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 2, 2),
                                List.of(worker("one", Phase.READY), worker("two", Phase.READY)),
                                List.of(
                                        session("a", new Place.Device("one")),
                                        session("b", new Place.Store()))));

        assertThat(plan.actions()).containsExactly(new Action.Place("b", "two"));
    }

    @Test
    void excessSessionsWaitHigherPriorityThenLongerWaitFirst() {
        SessionSnapshot late =
                new SessionSnapshot(
                        "late", true, true, 0, 1, NOW - 10, 0, new Place.Store(), false, false);
        SessionSnapshot early =
                new SessionSnapshot(
                        "early", true, true, 0, 1, NOW - 90, 0, new Place.Store(), false, false);
        SessionSnapshot vip =
                new SessionSnapshot(
                        "vip", true, true, 5, 1, NOW - 1, 0, new Place.Store(), false, false);

        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 1, 1),
                                List.of(worker("one", Phase.READY)),
                                List.of(late, early, vip)));

        assertThat(plan.actions())
                .containsExactly(new Action.Place("vip", "one"), new Action.Place("early", "one"));
        assertThat(plan.limited()).isTrue();
        assertThat(plan.reason()).endsWith("held to the maximum of 1");
    }

    @Test
    void workersAreKeptForTheDownDelayAfterAPeak() {
        DemandHistory.Recorder recorder = new DemandHistory.Recorder(600_000);
        recorder.record(NOW - 100_000, 6);
        recorder.record(NOW - 59_000, 1);
        List<WorkerSnapshot> workers =
                List.of(
                        worker("one", Phase.READY),
                        worker("two", Phase.READY),
                        worker("three", Phase.READY));
        List<SessionSnapshot> sessions = List.of(session("a", new Place.Device("one")));

        Plan inside =
                policy.decide(
                        new FleetSnapshot(
                                NOW, pool(2, 0, 5), workers, sessions, recorder.history()));
        Plan past =
                policy.decide(
                        new FleetSnapshot(
                                NOW + 2_000, pool(2, 0, 5), workers, sessions, recorder.history()));

        assertThat(inside.wantedWorkers()).isEqualTo(3);
        assertThat(inside.actions()).isEmpty();
        assertThat(past.wantedWorkers()).isEqualTo(1);
        assertThat(past.actions())
                .containsExactlyInAnyOrder(
                        new Action.DrainWorker("two"), new Action.DrainWorker("three"));
    }

    @Test
    void workersThatAreNotReadyYetGoFirst() {
        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 1, 5),
                                List.of(
                                        worker("one", Phase.READY),
                                        worker("coming", Phase.LOADING)),
                                List.of()));

        assertThat(plan.actions()).containsExactly(new Action.ReleaseWorker("coming"));
    }

    @Test
    void ofEmptyWorkersTheLastEmptiedStaysForReuse() {
        WorkerSnapshot longEmpty =
                new WorkerSnapshot("long", Phase.READY, false, 0, 0, 1, 10, 100, 0);
        WorkerSnapshot justEmpty =
                new WorkerSnapshot("just", Phase.READY, false, 0, 0, 1, 10, 900, 0);

        Plan plan =
                policy.decide(snapshot(pool(2, 1, 5), List.of(justEmpty, longEmpty), List.of()));

        assertThat(plan.actions()).containsExactly(new Action.DrainWorker("long"));
    }

    @Test
    void sessionsLeaveADrainingWorkerAndThenItGoes() {
        Plan moving =
                policy.decide(
                        snapshot(
                                pool(2, 1, 2),
                                List.of(worker("old", Phase.DRAINING), worker("new", Phase.READY)),
                                List.of(
                                        session("a", new Place.Device("old")),
                                        session("parked", false, new Place.Host("old")))));
        assertThat(moving.actions())
                .containsExactlyInAnyOrder(
                        new Action.Move("a", "old", "new"), new Action.Release("parked", "old"));

        Plan empty =
                policy.decide(
                        snapshot(
                                pool(2, 1, 2),
                                List.of(worker("old", Phase.DRAINING), worker("new", Phase.READY)),
                                List.of(session("a", new Place.Device("new")))));
        assertThat(empty.actions()).containsExactly(new Action.ReleaseWorker("old"));
    }

    @Test
    void aWorkerThatMustEmptyIsReplacedBeforeItGoes() {
        WorkerSnapshot cordoned = new WorkerSnapshot("one", Phase.READY, true, 0, 0, 1, 10, 0, 0);

        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 1, 1),
                                List.of(cordoned),
                                List.of(session("a", new Place.Device("one")))));

        assertThat(plan.actions())
                .containsExactly(new Action.DrainWorker("one"), new Action.RequestWorkers(1));
    }

    @Test
    void theSessionsOfASilentWorkerAreLeftAlone() {
        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 1, 2),
                                List.of(
                                        worker("silent", Phase.UNKNOWN),
                                        worker("one", Phase.READY)),
                                List.of(
                                        session("a", false, new Place.Device("silent")),
                                        session("b", true, new Place.Host("silent")))));

        assertThat(plan.actions()).isEmpty();
    }

    @Test
    void whoWantsToBeSuspendedIs() {
        Plan plan =
                policy.decide(
                        snapshot(
                                pool(2, 1, 1),
                                List.of(worker("one", Phase.READY)),
                                List.of(session("a", false, new Place.Device("one")))));

        assertThat(plan.actions()).containsExactly(new Action.Suspend("a", "one"));
    }

    @Test
    void aResumedSessionGoesElsewhereWhenItsWorkerIsFull() {
        List<WorkerSnapshot> workers =
                List.of(worker("one", Phase.READY), worker("two", Phase.READY));
        Plan here =
                policy.decide(
                        snapshot(
                                pool(1, 2, 2),
                                workers,
                                List.of(session("a", new Place.Host("one")))));
        Plan elsewhere =
                policy.decide(
                        snapshot(
                                pool(1, 2, 2),
                                workers,
                                List.of(
                                        session("a", new Place.Host("one")),
                                        session("b", new Place.Device("one")))));

        assertThat(here.actions()).containsExactly(new Action.Resume("a", "one"));
        assertThat(elsewhere.actions()).containsExactly(new Action.Move("a", "one", "two"));
    }

    @Test
    void aSessionUnderWhichWorkersDiedSharesNone() {
        SessionSnapshot suspect =
                new SessionSnapshot(
                        "suspect", true, true, 0, 1, 0, 0, new Place.Store(), false, true);
        List<WorkerSnapshot> workers =
                List.of(worker("one", Phase.READY), worker("two", Phase.READY));

        Plan plan =
                policy.decide(
                        snapshot(
                                pool(4, 2, 2),
                                workers,
                                List.of(
                                        session("a", new Place.Device("one")),
                                        suspect,
                                        session("b", new Place.Store()))));

        assertThat(plan.actions())
                .containsExactly(new Action.Place("suspect", "two"), new Action.Place("b", "one"));
    }

    @Test
    void manualIsWhatWasAskedFor() {
        Plan plan =
                policy.decide(
                        snapshot(pool(PoolSettings.Mode.MANUAL, 2, 3, 9), List.of(), List.of()));

        assertThat(plan.actions()).containsExactly(new Action.RequestWorkers(3));
        assertThat(plan.reason()).startsWith("Manual: 3 workers asked for");
    }

    @Test
    void predictiveSaysThatItDoesNotForecast() {
        Plan plan =
                policy.decide(
                        snapshot(
                                pool(PoolSettings.Mode.PREDICTIVE, 2, 0, 9), List.of(), List.of()));

        assertThat(plan.reason()).contains("no forecast yet");
    }

    @Test
    void moreStatesThanTheDeviceHoldsAreNotPlaced() {
        WorkerSnapshot small = new WorkerSnapshot("one", Phase.READY, false, 15, 10, 1, 10, 0, 0);

        Plan plan =
                policy.decide(
                        snapshot(
                                pool(4, 1, 1),
                                List.of(small),
                                List.of(
                                        session("a", new Place.Device("one")),
                                        session("b", new Place.Store()))));

        assertThat(plan.actions()).isEmpty();
    }
}
