package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.operator.fleet.SessionView.Phase;
import io.reelfleet.operator.fleet.TestFleet.Moving;
import io.reelfleet.operator.workers.Leaving;
import io.reelfleet.operator.workers.Leaving.Reason;
import io.reelfleet.scheduler.PoolSettings;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever the reason, a worker is emptied on one road, in virtual time. */
class DrainTest {
    private final List<String> occupied = new ArrayList<>();

    private static Leaving leaving(Reason reason, Instant deadline) {
        return new Leaving(reason, "because of " + reason.title(), deadline);
    }

    private static TestFleet fleet(int capacity, int workers, int sessions) {
        TestFleet fleet = new TestFleet(capacity, workers, workers);
        fleet.moving = Moving.WORKS;
        for (int i = 1; i <= sessions; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(5);
        return fleet;
    }

    @ParameterizedTest
    @EnumSource(Reason.class)
    void forEveryReasonSessionsMoveLiveAndTheWorkerGoesOnlyWhenItIsEmpty(Reason reason) {
        TestFleet fleet = fleet(2, 2, 2);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        doomed.leaving = leaving(reason, null);
        fleet.run(4);

        assertThat(doomed.commands)
                .contains("drain", "start s1 1")
                .noneMatch(c -> c.startsWith("release"));
        assertThat(fleet.session("s1").worker()).isNotEqualTo(doomed.name).isNotEmpty();
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.stopped).containsExactly(doomed.name);
        assertThat(fleet.occurrences).anyMatch(o -> o.reason().equals(reason.title()));
        assertThat(fleet.occurrences)
                .anyMatch(
                        o ->
                                o.reason().equals("Emptied")
                                        && o.message()
                                                .equals(
                                                        "worker "
                                                                + doomed.name
                                                                + " is empty: sessions moved live: 1, left for their logs: 0"));
        assertThat(fleet.loop.view().totals().recoveries()).isZero();
    }

    @Test
    void theLabelThatHoldsEvictionsOffGoesBeforeTheWorker() {
        TestFleet fleet = fleet(2, 2, 2);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        fleet.labels = occupied;
        doomed.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(4);

        assertThat(occupied)
                .containsSubsequence(doomed.name + " free", doomed.name + " stopped")
                .doesNotContain(doomed.name + " occupied");
    }

    @Test
    void whereThereIsNoRoomAnotherWorkerStartsFirstAndNobodyWaits() {
        TestFleet fleet = fleet(2, 2, 4);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        List<String> its = List.copyOf(doomed.sessions.keySet());
        doomed.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(1);
        assertThat(fleet.workers).as("one beyond the pool's maximum, for a while").hasSize(3);
        assertThat(doomed.sessions.keySet()).as("they go on").containsAll(its);

        fleet.run(6);
        assertThat(fleet.workers).hasSize(2).doesNotContainKey(doomed.name);
        for (String uid : its) {
            assertThat(fleet.session(uid).moves()).isEqualTo(1);
        }
        assertThat(doomed.commands).noneMatch(c -> c.startsWith("release"));
    }

    @Test
    void alsoInAManualPoolNobodyIsSentToTheStoreWhileAnotherWorkerStarts() {
        TestFleet fleet = new TestFleet(PoolSettings.Mode.MANUAL, 2, 2, 2);
        fleet.moving = Moving.WORKS;
        for (int i = 1; i <= 4; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(5);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        doomed.leaving = leaving(Reason.NODE_TAINTED, null);
        fleet.run(7);

        assertThat(doomed.commands).contains("start s1 1").noneMatch(c -> c.startsWith("release"));
        assertThat(fleet.workers).hasSize(2).doesNotContainKey(doomed.name);
    }

    @Test
    void whoGeneratesGoesFirstThenWhatTheStoreHoldsIsDroppedThenTheRestIsCopied() {
        TestFleet fleet = new TestFleet(5, 2, 2);
        fleet.moving = Moving.WORKS;
        fleet.loop.want(wish("stored", false));
        fleet.loop.want(wish("copied", false));
        fleet.loop.want(wish("active"));
        fleet.run(5);
        TestFleet.Worker doomed = fleet.workerOf("active");
        park(fleet, doomed, "stored", true);
        park(fleet, doomed, "copied", false);
        fleet.run(1);
        doomed.commands.clear();
        doomed.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(5);

        assertThat(doomed.commands)
                .containsSubsequence("start active 1", "release stored 1", "start copied 1")
                .doesNotContain("start stored 1", "release copied 1");
        assertThat(fleet.session("copied").worker()).isNotEqualTo(doomed.name).isNotEmpty();
        assertThat(fleet.session("stored").worker()).isEmpty();
        assertThat(fleet.workers).doesNotContainKey(doomed.name);
    }

    @Test
    void alsoWhoIsIdleWaitsForAnotherWorkerAndKeepsItsState() {
        TestFleet fleet = fleet(2, 1, 1);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        doomed.sessions.get("s1").active = false;
        fleet.run(1);
        doomed.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(6);

        assertThat(doomed.commands).contains("start s1 1").noneMatch(c -> c.startsWith("release"));
        assertThat(fleet.workers).hasSize(1).doesNotContainKey(doomed.name);
    }

    @Test
    void suspendedStateIsDroppedWhereNoTimeIsLeftToCopyIt() {
        TestFleet fleet = new TestFleet(5, 2, 2);
        fleet.moving = Moving.WORKS;
        fleet.loop.want(wish("copied", false));
        fleet.loop.want(wish("active"));
        fleet.run(5);
        TestFleet.Worker doomed = fleet.workerOf("active");
        park(fleet, doomed, "copied", false);
        fleet.run(1);
        doomed.leaving =
                leaving(Reason.TOLD_TO_END, fleet.clock.instant().plus(Duration.ofSeconds(2)));
        fleet.run(2);

        assertThat(doomed.commands)
                .contains("start active 1", "release copied 1")
                .doesNotContain("start copied 1");
    }

    @Test
    void aDrainWhoseReasonGoesAwayIsStoppedAndMayComeAgain() {
        TestFleet fleet = fleet(2, 2, 4);
        TestFleet.Worker spared = fleet.workerOf("s1");
        List<String> its = List.copyOf(spared.sessions.keySet());
        fleet.moving = Moving.STALLS;
        spared.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(1);
        assertThat(spared.commands).contains("drain");
        assertThat(fleet.loop.view().workers())
                .anyMatch(w -> w.name().equals(spared.name) && w.phase().equals("Draining"));

        spared.leaving = null;
        fleet.run(2);
        assertThat(spared.commands).contains("stop drain");
        fleet.run(20);
        assertThat(fleet.loop.view().workers())
                .anyMatch(w -> w.name().equals(spared.name) && w.phase().equals("Ready"));
        assertThat(spared.sessions.keySet()).as("who had not moved stays").containsAll(its);
        assertThat(fleet.stopped).doesNotContain(spared.name);
        assertThat(fleet.occurrences).anyMatch(o -> o.reason().equals("Stays"));

        fleet.moving = Moving.WORKS;
        spared.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(15);
        assertThat(spared.commands.stream().filter("drain"::equals)).hasSize(2);
        assertThat(fleet.stopped).contains(spared.name);
    }

    @Test
    void stateThatSomebodySuspendedIsCopiedAlsoWhenThePoolNeedsTheWorkerNoLonger() {
        TestFleet fleet = new TestFleet(3, 1, 2);
        fleet.moving = Moving.WORKS;
        for (int i = 1; i <= 4; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.loop.want(wish("kept1", false));
        fleet.loop.want(wish("kept2", false));
        fleet.run(8);
        List<TestFleet.Worker> both = List.copyOf(fleet.workers.values());
        assertThat(both).hasSize(2);
        park(fleet, both.get(0), "kept1", false);
        park(fleet, both.get(1), "kept2", false);
        fleet.run(1);
        for (TestFleet.Worker w : both) {
            w.sessions.keySet().stream()
                    .filter(uid -> uid.startsWith("s"))
                    .skip(1)
                    .toList()
                    .forEach(uid -> fleet.loop.unwant(uid, "Deleted"));
        }
        fleet.run(40);

        assertThat(fleet.workers).hasSize(1);
        assertThat(fleet.workers.values().iterator().next().sessions)
                .containsKeys("kept1", "kept2");
        assertThat(both).allSatisfy(w -> assertThat(w.commands).noneMatch(isRelease("kept")));
    }

    private static java.util.function.Predicate<String> isRelease(String uid) {
        return command -> command.startsWith("release " + uid);
    }

    /** A suspended session lies on this worker. */
    private static void park(
            TestFleet fleet, TestFleet.Worker worker, String uid, boolean rebuildsExactly) {
        for (TestFleet.Worker w : fleet.workers.values()) {
            w.sessions.remove(uid);
        }
        fleet.run(3);
        TestFleet.Held h = new TestFleet.Held();
        h.spec = wish(uid).spec();
        h.epoch = 1;
        h.state = SessionState.SESSION_STATE_SUSPENDED;
        h.active = false;
        h.rebuildsExactly = rebuildsExactly;
        fleet.log.put(uid, 1L);
        worker.sessions.put(uid, h);
    }

    @Test
    void aWorkerThatGotSigtermIsEmptiedAndItsEndIsNoLoss() {
        TestFleet fleet = fleet(2, 2, 2);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        doomed.endsBy = fleet.clock.instant().plusSeconds(60);
        doomed.phase = io.reelfleet.api.runtime.v1.WorkerPhase.WORKER_PHASE_DRAINING;
        fleet.run(1);
        assertThat(doomed.commands).contains("start s1 1");

        fleet.run(4);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.workers).hasSize(2).doesNotContainKey(doomed.name);
        assertThat(fleet.occurrences).noneMatch(o -> o.reason().equals("WorkerLost"));
    }

    @Test
    void theNextOperatorGoesOnWithADrain() {
        TestFleet fleet = fleet(2, 2, 4);
        TestFleet.Worker doomed = fleet.workerOf("s1");
        doomed.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(0.5);
        fleet.restart(2, wish("s1"), wish("s2"), wish("s3"), wish("s4"));
        fleet.run(8);

        assertThat(fleet.workers).doesNotContainKey(doomed.name);
        for (int i = 1; i <= 4; i++) {
            assertThat(fleet.session("s" + i).phase()).isEqualTo(Phase.RUNNING);
        }
        assertThat(doomed.commands).noneMatch(c -> c.startsWith("release"));
    }

    @Test
    void aWorkerThatTheNextOperatorHasNotHeardYetIsNotTakenForOneThatHasNoSessions() {
        TestFleet fleet = fleet(2, 1, 1);
        TestFleet.Worker old = fleet.workerOf("s1");
        old.leaving = leaving(Reason.NODE_CORDONED, null);
        old.unlisted = true;
        old.mute = true;
        fleet.restart(2, wish("s1"));
        fleet.run(6);
        old.unlisted = false;
        fleet.run(2);

        assertThat(fleet.stopped).doesNotContain(old.name);
    }

    @Test
    void aWorkerThatIsStillToComeUpIsSimplyReplaced() {
        TestFleet fleet = new TestFleet(2, 1, 1);
        fleet.run(1);
        TestFleet.Worker first = fleet.workers.values().iterator().next();
        first.leaving = leaving(Reason.NODE_CORDONED, null);
        fleet.run(1);

        assertThat(fleet.stopped).containsExactly(first.name);
        assertThat(fleet.workers).hasSize(1).doesNotContainKey(first.name);
    }

    @Test
    void aNewImageReplacesOneWorkerAfterTheOtherEachOnceANewOneIsReady() {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.image = "worker:1";
        fleet.moving = Moving.WORKS;
        for (int i = 1; i <= 4; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(5);
        List<String> old = List.copyOf(fleet.workers.keySet());

        fleet.image = "worker:2";
        int most = 0;
        int leastReady = 2;
        for (int i = 0; i < 150; i++) {
            fleet.run(0.1);
            most = Math.max(most, fleet.workers.size());
            int ready =
                    (int)
                            fleet.loop.view().workers().stream()
                                    .filter(w -> w.phase().equals("Ready"))
                                    .count();
            leastReady = Math.min(leastReady, ready);
        }

        assertThat(most).as("one at a time").isEqualTo(3);
        assertThat(leastReady).as("capacity does not fall").isEqualTo(2);
        assertThat(fleet.workers).hasSize(2).doesNotContainKeys(old.get(0), old.get(1));
        assertThat(fleet.workers.values()).allMatch(w -> w.image.equals("worker:2"));
        for (int i = 1; i <= 4; i++) {
            assertThat(fleet.session("s" + i).phase()).isEqualTo(Phase.RUNNING);
            assertThat(fleet.session("s" + i).moves()).isPositive();
        }
        assertThat(fleet.loop.view().totals().recoveries()).isZero();
    }

    @Test
    void anImageThatDoesNotComeUpCostsNobodyItsWorkerAndTheNextOneTakesItsPlace() {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.image = "worker:1";
        fleet.moving = Moving.WORKS;
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        List<String> old = List.copyOf(fleet.workers.keySet());

        fleet.image = "worker:bad";
        fleet.imageIsBad = true;
        fleet.run(20);
        assertThat(fleet.workers).containsKeys(old.get(0), old.get(1)).hasSize(3);
        assertThat(fleet.session("s1").moves()).isZero();

        fleet.image = "worker:2";
        fleet.imageIsBad = false;
        fleet.run(15);
        assertThat(fleet.workers).hasSize(2);
        assertThat(fleet.workers.values()).allMatch(w -> w.image.equals("worker:2"));
    }

    @Test
    void theGraceFollowsFromStateSessionsAndStartUp() {
        PoolSettings pool = TestFleet.pool(PoolSettings.Mode.REACTIVE, 4, 1, 2).settings();
        assertThat(Grace.of(pool, 0)).isEqualTo(Grace.LEAST);
        // 8 s to stop, start-up, and four moves of 6 GB at 500 MB/s and a second beside.
        assertThat(Grace.of(pool, 6_000_000_000L))
                .isEqualTo(
                        Duration.ofSeconds(8 + 4 * 13)
                                .plusMillis(pool.startUpMillis())
                                .plusMillis(999)
                                .truncatedTo(java.time.temporal.ChronoUnit.SECONDS));
        assertThat(Grace.of(pool, 1L << 50)).isEqualTo(Grace.MOST);
    }
}
