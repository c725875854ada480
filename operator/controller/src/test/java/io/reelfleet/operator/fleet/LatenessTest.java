package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.operator.fleet.SessionView.Phase;
import io.reelfleet.scheduler.PoolSettings;
import org.junit.jupiter.api.Test;

/** What a policy's learner hears of sessions that wait, through the loop and in virtual time. */
final class LatenessTest {
    /** Within a step of the loop, and a chunk that is on its way. */
    private static final double ABOUT = 1.0;

    private final Listening learner = new Listening();

    private TestFleet fleet(int capacity, int min, int max) {
        TestFleet fleet =
                new TestFleet(
                        TestFleet.pool(PoolSettings.Mode.REACTIVE, capacity, min, max),
                        new Deciding(DecisionRecorder.NONE, learner));
        fleet.countsWaits = true;
        return fleet;
    }

    @Test
    void aSessionThatWaitsForAWorkerIsLateWhileItWaits() {
        TestFleet fleet = fleet(1, 1, 1);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        assertThat(learner.late).isZero();

        fleet.loop.want(wish("s2"));
        fleet.run(4);
        assertThat(fleet.session("s2").phase()).isEqualTo(Phase.QUEUED);
        // All but the first chunk's interval, in which it was not late yet.
        assertThat(learner.late).isCloseTo(4 - 0.75, within(0.2));
        assertThat(fleet.loop.view().totals().waitedSeconds()).isCloseTo(3.25, within(0.2));
        assertThat(fleet.loop.view().totals().chunksLate()).as("s1's first").isEqualTo(1);
    }

    @Test
    void itsFirstChunkIsNotCountedAgain() {
        TestFleet fleet = fleet(1, 1, 1);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        fleet.loop.want(wish("s2"));
        fleet.run(4);

        fleet.loop.unwant("s1", "Deleted");
        fleet.run(3);
        assertThat(fleet.session("s2").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.loop.view().totals().chunksLate()).as("each one's first").isEqualTo(2);
        double counted = learner.late;
        assertThat(counted).isCloseTo(4 - 0.75, within(0.75));

        double due = learner.due;
        fleet.run(4);
        assertThat(learner.late).as("it is served now").isEqualTo(counted);
        assertThat(learner.due).isGreaterThan(due);
    }

    @Test
    void aWaitTooShortToCountLeavesOneLateChunk() {
        Lateness lateness = new Lateness();
        lateness.workerReady(0);
        SessionEntry s = new SessionEntry(wish("s1"), 1_000);
        lateness.pass(java.util.List.of(s), 1_800, 750);
        assertThat(lateness.lateSeconds()).isCloseTo(0.05, within(1e-9));
        s.worker = "a";
        lateness.chunk(s, true, 0.75);
        assertThat(lateness.lateSeconds()).isCloseTo(0.75, within(1e-9));
        assertThat(lateness.dueSeconds()).isCloseTo(0.8 + 0.75, within(1e-9));
        lateness.chunk(s, true, 0.75);
        assertThat(lateness.lateSeconds()).as("late for another reason").isEqualTo(1.5);
    }

    @Test
    void theFirstStartUpIsDueAndNotLate() {
        TestFleet fleet = fleet(4, 0, 1);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.loop.view().totals().chunksLate()).isEqualTo(1);
        assertThat(learner.late).isZero();
        assertThat(learner.due).isGreaterThan(2);
    }

    @Test
    void laterStartUpsAreLate() {
        TestFleet fleet = fleet(1, 1, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        fleet.loop.want(wish("s2"));
        fleet.run(5);
        assertThat(fleet.session("s2").phase()).isEqualTo(Phase.RUNNING);
        assertThat(learner.late)
                .isCloseTo(TestFleet.START_UP_MILLIS / 1000.0 - 0.75, within(ABOUT));
    }

    @Test
    void whoIsWantedSuspendedWaitsForNobody() {
        TestFleet fleet = fleet(1, 1, 1);
        fleet.loop.want(wish("s1"));
        fleet.loop.want(wish("s2", false));
        fleet.run(10);
        assertThat(learner.late).isZero();
    }

    @Test
    void sessionsThatCameTogetherTakeTurnsToo() {
        TestFleet fleet = fleet(2, 1, 1);
        for (int i = 1; i <= 6; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(300);
        // Two of six at any time: a third of the time each, and nobody goes without.
        TestFleet.Worker worker = fleet.workers.values().iterator().next();
        assertThat(worker.sessions.keySet()).hasSize(6);
        assertThat(worker.sessions.values())
                .allSatisfy(h -> assertThat(h.nextChunk).isBetween(120L, 280L));
        assertThat(fleet.loop.view().sessions().values())
                .as("who waits for a turn does not seem to be running")
                .filteredOn(s -> s.phase() == Phase.QUEUED)
                .hasSize(4)
                .allSatisfy(
                        s -> {
                            assertThat(s.reason()).isEqualTo("WaitingForTurn");
                            assertThat(s.message())
                                    .isEqualTo(
                                            "all workers are full; waiting for its turn; the pool is at its maximum of 1");
                        });
    }

    @Test
    void whoGivesWayWaitsFromThenOn() {
        TestFleet fleet = fleet(1, 1, 1);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        fleet.loop.want(wish("s2"));
        fleet.run(60);
        // They take turns of twenty intervals: one of the two waits at any time, never both.
        assertThat(learner.late).isBetween(50.0, 60.0);
        long turns =
                fleet.workers.values().iterator().next().commands.stream()
                        .filter(c -> c.startsWith("suspend"))
                        .count();
        assertThat(turns).isBetween(3L, 4L);
    }
}
