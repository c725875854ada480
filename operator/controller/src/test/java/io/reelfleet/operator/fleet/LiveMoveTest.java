package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.operator.fleet.SessionView.Phase;
import io.reelfleet.operator.fleet.TestFleet.Moving;
import io.reelfleet.operator.workers.Leaving;
import io.reelfleet.scheduler.PoolSettings;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** A worker must be emptied: its session moves live, or some other way when that cannot be. */
class LiveMoveTest {

    private static TestFleet emptying(Moving moving) {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.moving = moving;
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        return fleet;
    }

    /** Two sessions, each on a worker of its own. */
    private static TestFleet apart(Moving moving) {
        TestFleet fleet = emptying(moving);
        fleet.loop.want(wish("s2"));
        fleet.run(5);
        assertThat(fleet.session("s1").worker()).isNotEqualTo(fleet.session("s2").worker());
        return fleet;
    }

    @Test
    void movesLiveWithoutARelease() {
        TestFleet fleet = emptying(Moving.WORKS);
        TestFleet.Worker first = fleet.workerOf("s1");
        first.terminating = true;
        fleet.run(3);

        assertThat(fleet.session("s1").worker()).isNotEmpty().isNotEqualTo(first.name);
        assertThat(fleet.session("s1").epoch()).isEqualTo(2);
        assertThat(fleet.session("s1").moves()).isEqualTo(1);
        assertThat(first.commands).contains("start s1 1").noneMatch(c -> c.startsWith("release"));
        assertThat(fleet.workerOf("s1").commands).noneMatch(c -> c.startsWith("admit"));
        assertThat(fleet.loop.view().totals().migrations()).isEqualTo(1);
        assertThat(fleet.loop.view().moves())
                .singleElement()
                .satisfies(
                        m -> {
                            assertThat(m.from()).isEqualTo(first.name);
                            assertThat(m.to()).isEqualTo(fleet.session("s1").worker());
                            assertThat(m.reason()).isEqualTo("ToldToEnd");
                            assertThat(m.transport()).isEqualTo(MoveView.Transport.LIVE);
                            assertThat(m.outcome()).isEqualTo(MoveView.Outcome.MOVED);
                            assertThat(m.figures())
                                    .isEqualTo(new MoveView.Figures(3_000, 40, 0.02, 0.5));
                        });
    }

    @Test
    void movesWhenSomebodyWantsItAndSaysWhyItCannot() {
        TestFleet fleet = emptying(Moving.WORKS);
        String first = fleet.session("s1").worker();

        CompletableFuture<SessionView> reply = fleet.loop.move("s1", "");
        fleet.run(3);
        assertThat(reply).isCompletedWithValueMatching(s -> s.reason().equals("Moving"));
        assertThat(fleet.session("s1").worker()).isNotEmpty().isNotEqualTo(first);
        assertThat(fleet.session("s1").epoch()).isEqualTo(2);

        for (String to : List.of(fleet.session("s1").worker(), "shapes-nobody")) {
            CompletableFuture<SessionView> refused = fleet.loop.move("s1", to);
            fleet.run(1);
            assertThat(refused)
                    .isCompletedExceptionally()
                    .failsWithin(Duration.ZERO)
                    .withThrowableThat()
                    .withMessageContaining("session s1 cannot be moved now: ")
                    .withMessageContaining(to);
        }
    }

    @Test
    void whoWasMovedByHandStaysThereForAMinuteUnlessItsWorkerIsEmptied() {
        TestFleet fleet = apart(Moving.WORKS);
        String first = fleet.session("s1").worker();
        String second = fleet.session("s2").worker();

        fleet.loop.move("s1", second);
        fleet.run(50);
        assertThat(fleet.session("s1").worker()).isEqualTo(second);
        assertThat(fleet.session("s1").moves()).isEqualTo(1);
        fleet.loop.want(wish("s1", false));
        fleet.run(2);
        assertThat(fleet.session("s1").phase()).as("commands go on").isEqualTo(Phase.SUSPENDED);
        fleet.loop.want(wish("s1"));
        fleet.run(30);
        assertThat(Set.of(fleet.session("s1").worker(), fleet.session("s2").worker()))
                .as("the policy decides again")
                .containsExactlyInAnyOrder(first, second);

        String at = fleet.session("s1").worker();
        String other = at.equals(first) ? second : first;
        fleet.loop.move("s1", other);
        fleet.run(2);
        assertThat(fleet.session("s1").worker()).isEqualTo(other);
        fleet.workers.get(other).leaving =
                new Leaving(Leaving.Reason.NODE_CORDONED, "its node is cordoned", null);
        fleet.run(5);
        assertThat(fleet.session("s1").worker()).isNotEqualTo(other).isNotEmpty();
    }

    @Test
    void workersThatCannotReachEachOtherMoveItThroughTheStore() {
        TestFleet fleet = emptying(Moving.CUT_OFF);
        TestFleet.Worker first = fleet.workerOf("s1");
        first.terminating = true;
        fleet.run(3);

        TestFleet.Worker second = fleet.workerOf("s1");
        assertThat(second.name).isNotEqualTo(first.name);
        assertThat(second.commands)
                .contains("prepare-TRANSPORT_DIRECT s1 2", "prepare-TRANSPORT_STORE s1 2")
                .noneMatch(c -> c.startsWith("admit"));
        assertThat(fleet.loop.view().moves())
                .extracting(MoveView::transport, MoveView::outcome, MoveView::sentence)
                .containsExactly(
                        tuple(MoveView.Transport.LIVE, MoveView.Outcome.KEPT, "no connection"),
                        tuple(MoveView.Transport.STORE, MoveView.Outcome.MOVED, ""));
    }

    @Test
    void workersWithoutLiveMovesGetItByItsLog() {
        TestFleet fleet = emptying(Moving.UNKNOWN);
        TestFleet.Worker first = fleet.workerOf("s1");
        first.terminating = true;
        fleet.run(3);

        assertThat(first.commands).contains("release s1 1");
        assertThat(fleet.workerOf("s1").commands).contains("admit s1 2");
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.loop.view().moves().getLast())
                .extracting(MoveView::transport, MoveView::outcome, MoveView::figures)
                .containsExactly(MoveView.Transport.LOG, MoveView.Outcome.MOVED, null);
    }

    @Test
    void aSourceThatDiesInAMoveThatStallsIsRecovered() {
        TestFleet fleet = emptying(Moving.STALLS);
        TestFleet.Worker first = fleet.workerOf("s1");
        first.terminating = true;
        fleet.run(2);
        assertThat(first.commands).contains("start s1 1");

        fleet.kill(first.name);
        fleet.run(6);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").worker()).isNotEmpty().isNotEqualTo(first.name);
        assertThat(fleet.session("s1").epoch()).isGreaterThan(2);
    }

    @Test
    void aTargetThatDiesLeavesTheSourceAsItWas() {
        TestFleet fleet = emptying(Moving.STALLS);
        TestFleet.Worker first = fleet.workerOf("s1");
        first.terminating = true;
        fleet.run(2);
        String target =
                fleet.workers.keySet().stream()
                        .filter(name -> !name.equals(first.name))
                        .findFirst()
                        .orElseThrow();
        first.terminating = false;

        fleet.kill(target);
        fleet.run(4);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(first.sessions.get("s1").epoch).isEqualTo(1);
        assertThat(fleet.session("s1").worker()).isEqualTo(first.name);
    }

    @Test
    void aTargetThatDiesWhileTheMoveWaitsForItsTurnHoldsNobodyUp() {
        TestFleet fleet = apart(Moving.STALLS);
        String first = fleet.session("s1").worker();
        String second = fleet.session("s2").worker();
        fleet.loop.move("s2", first);
        fleet.run(1);
        fleet.loop.move("s1", second);
        fleet.run(1);
        assertThat(fleet.workers.get(second).commands).contains("start s2 1");
        assertThat(fleet.workers.get(first).commands).noneMatch(c -> c.startsWith("start s1"));

        fleet.kill(second);
        fleet.run(8);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").reason()).isNotEqualTo("Moving");

        fleet.kill(first);
        fleet.run(12);
        assertThat(fleet.session("s1").phase()).as("it is recovered").isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").worker()).isNotEmpty().isNotEqualTo(first);
    }

    @Test
    void thePolicyIsToldWhatMovesReallyTake() {
        Listening policy = new Listening();
        TestFleet fleet =
                new TestFleet(
                        TestFleet.pool(PoolSettings.Mode.REACTIVE, 2, 2, 2),
                        new Deciding(DecisionRecorder.NONE, policy));
        fleet.moving = Moving.WORKS;
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        assertThat(policy.seen.pool().state()).isEqualTo(PoolSettings.StateCosts.PUBLISHED);
        for (int i = 0; i < 3; i++) {
            fleet.loop.move("s1", "");
            fleet.run(3);
        }
        assertThat(fleet.session("s1").moves()).isEqualTo(3);
        assertThat(policy.seen.pool().state().bytes()).isEqualTo(3_040);
        assertThat(policy.seen.pool().state().moveMillis()).isCloseTo(500, within(1e-6));
    }
}
