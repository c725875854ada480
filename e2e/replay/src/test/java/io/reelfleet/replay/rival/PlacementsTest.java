package io.reelfleet.replay.rival;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.StartUp;
import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.Fleet;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Three workers: A with three active sessions, B with one active and four idle, C with two. */
class PlacementsTest {
    private final Fleet fleet =
            new Fleet(Conditions.comparison(4, StartUp.fixed(30), 1).pool(0.01));
    private int made;

    @BeforeEach
    void fleet() {
        fleet.advance(1_000);
        worker("A", 3, 0);
        worker("B", 1, 4);
        worker("C", 2, 0);
        fleet.advance(2_000);
    }

    @Test
    void roundRobinTakesThemInTurn() {
        fleet.open("x", 0, 1, true);
        fleet.open("y", 0, 1, true);

        assertThat(decide(new Placements.RoundRobin()))
                .containsExactly(new Action.Place("x", "A"), new Action.Place("y", "B"));
    }

    @Test
    void leastLoadedTakesTheFewestActive() {
        fleet.open("x", 0, 1, true);
        fleet.open("y", 0, 1, true);

        // B with one; then B and C have two each, and C has less state.
        assertThat(decide(new Placements.LeastLoaded()))
                .containsExactly(new Action.Place("x", "B"), new Action.Place("y", "C"));
    }

    @Test
    void leastMemoryTakesTheFewestStates() {
        fleet.open("x", 0, 1, true);

        assertThat(decide(new Placements.LeastMemory()))
                .containsExactly(new Action.Place("x", "C"));
    }

    @Test
    void powerOfTwoNeverTakesTheWorstOfAllUnlessItDrawsItTwice() {
        int onA = 0;
        Placements.PowerOfTwo placement = new Placements.PowerOfTwo(3);
        Draft draft = new Draft();
        for (int i = 0; i < 900; i++) {
            draft.reset(fleet, new boolean[16], Integer.MAX_VALUE);
            onA += placement.choose(draft, 0) == fleet.workerNumber("A") ? 1 : 0;
        }
        // Both draws are A in one case of nine.
        assertThat(onA).isBetween(60, 140);
    }

    @Test
    void placeAtResumeMovesASessionThatWakesAmongMany() {
        int s = session("A", false);
        fleet.advance(3_000);
        fleet.activate(s);

        assertThat(decide(new Placements.PlaceAtResume()))
                .containsExactly(new Action.Move(fleet.uid(s), "A", "B"));
        assertThat(decide(new Placements.LeastLoaded())).isEmpty();
    }

    @Test
    void llumnixPairsTheLeastFreeWithTheFreest() {
        session("A", true);
        session("A", true);

        // A has five of four: freeness -1/5; B is the freest with 3/1.
        assertThat(decide(new Placements.Llumnix()))
                .singleElement()
                .isInstanceOfSatisfying(
                        Action.Move.class,
                        m -> {
                            assertThat(m.from()).isEqualTo("A");
                            assertThat(m.to()).isEqualTo("B");
                        });
    }

    @Test
    void turboServeMovesWhileTheWorstGpuGains() {
        // Loads 3, 1, 2: from 3 to 1 gains L(3) - L(2); then all have 2.
        List<Action> actions = decide(new TurboServe(true));

        assertThat(actions)
                .singleElement()
                .isInstanceOfSatisfying(
                        Action.Move.class,
                        m -> {
                            assertThat(m.from()).isEqualTo("A");
                            assertThat(m.to()).isEqualTo("B");
                        });
        assertThat(decide(new TurboServe(false))).isEmpty();
    }

    @Test
    void theOracleBalancesAndLetsNobodyShareBeyondCapacity() {
        for (int i = 0; i < 7; i++) {
            fleet.open("x" + i, 0, 1, true);
        }
        List<Action> actions = decide(new Placements.Oracle());

        // 6 + 7 on three workers of four: one waits.
        assertThat(actions.stream().filter(a -> a instanceof Action.Place)).hasSize(6);
        assertThat(actions.stream().filter(a -> a instanceof Action.Move)).isEmpty();
    }

    @Test
    void aFullDeviceMakesRoomByParkingItsLongestIdleSession() {
        int first = Fleet.NONE;
        for (int i = 0; i < 10; i++) {
            int s = session("B", false);
            first = first == Fleet.NONE ? s : first;
        }
        fleet.open("x", 0, 1, true);

        List<Action> actions = decide(new Placements.LeastLoaded());

        // 15 states on a device for 14: B is full, its idle ones were there from the beginning.
        assertThat(actions).hasSize(2);
        assertThat(actions.getFirst()).isInstanceOf(Action.Suspend.class);
        assertThat(actions.getLast()).isEqualTo(new Action.Place("x", "B"));
    }

    @Test
    void aWorkerThatIsToGoTakesNobodyInAndGoesWhenItsLastSessionIsIdle() {
        Rival rival = new Rival(new Placements.LeastLoaded(), new Scalers.Static(2));

        // B is the emptiest; it keeps its active session and is not released.
        assertThat(rival.decide(fleet).actions()).isEmpty();
        fleet.open("x", 0, 1, true);
        assertThat(rival.decide(fleet).actions()).containsExactly(new Action.Place("x", "C"));
        int active = active("B");
        fleet.deactivate(active);
        assertThat(rival.decide(fleet).actions()).contains(new Action.ReleaseWorker("B"));
    }

    private int active(String worker) {
        int w = fleet.workerNumber(worker);
        for (int s = fleet.firstOn(w); s != Fleet.NONE; s = fleet.nextOn(s)) {
            if (fleet.demands(s)) {
                return s;
            }
        }
        throw new AssertionError();
    }

    private List<Action> decide(Placement placement) {
        return new Rival(placement, new Scalers.Static(3)).decide(fleet).actions();
    }

    private void worker(String name, int active, int idle) {
        int w = fleet.request(name);
        fleet.device(w, 14, 1, 0, "");
        fleet.ready(w);
        for (int i = 0; i < active + idle; i++) {
            session(name, i < active);
        }
    }

    private int session(String worker, boolean active) {
        int s = fleet.open("s" + ++made, 0, 1, true);
        fleet.placed(s, fleet.workerNumber(worker));
        if (!active) {
            fleet.wanted(s, true, false);
        }
        return s;
    }
}
