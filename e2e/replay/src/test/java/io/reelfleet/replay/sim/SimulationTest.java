package io.reelfleet.replay.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceSession;
import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.Policy;
import io.reelfleet.scheduler.SessionSnapshot;
import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class SimulationTest {
    private static final long NEVER = Long.MAX_VALUE;

    /** C = 4: L(1) = 0.1875 s. A GPU starts in one second. */
    private static final Conditions WORLD = Conditions.comparison(4, StartUp.fixed(1), 1);

    @Test
    void theFirstStartUpIsPaidForButNotLate() {
        // Chunks are due at 0, 0.75, 1.5, 2.25; the GPU is ready at 1.
        Outcome o = run(WORLD, fixed(1), session("a", 0, 3));

        assertThat(o.due()).isEqualTo(4);
        assertThat(o.late()).isZero();
        assertThat(o.latencies().total()).isEqualTo(2);
        assertThat(o.latencies().worstSeconds()).isEqualTo(0.1875);
        assertThat(o.gpuSeconds()).isEqualTo(3.0);
    }

    @Test
    void aLaterStartUpMakesWhoWaitsForItLate() {
        // C = 1. b comes at 4 and its GPU at 5: chunks due at 4 and 4.75 come at 5 + 0.75.
        Conditions world = Conditions.comparison(1, StartUp.fixed(1), 1);

        Outcome o = run(world, oneEach(), session("a", 0, 10), session("b", 4, 8));

        assertThat(o.due()).isEqualTo(14 + 6);
        assertThat(o.late()).isEqualTo(2);
        assertThat(o.latencies().worstSeconds()).isCloseTo(1.75, within(0.01));
        assertThat(o.gpuSeconds()).isEqualTo(10 + 6);
        assertThat(o.scaleChanges()).isEqualTo(4);
    }

    @Test
    void sessionsThatShareAWorkerBeyondItsCapacityAreAllLate() {
        Conditions world = Conditions.comparison(1, StartUp.fixed(0), 1);

        // Both from 3 to 6: chunks due at 3, 3.75, 4.5, 5.25 of each, L(2) = 1.5 s.
        Outcome o = run(world, fixed(1), session("a", 0, 9), session("b", 3, 6));

        assertThat(o.due()).isEqualTo(12 + 4);
        assertThat(o.late()).isEqualTo(8);
        assertThat(o.latencies().worstSeconds()).isEqualTo(1.5);
        assertThat(o.lateRatio()).isEqualTo(0.5);
    }

    @Test
    void whatABurstsEndFindsUndeliveredIsLate() {
        Conditions world = Conditions.comparison(1, StartUp.fixed(1), 1);

        // b's GPU would be ready at 5, but b ends at 4.9: due at 4 and 4.75.
        Outcome o = run(world, oneEach(), session("a", 0, 6), session("b", 4, 4.9));

        assertThat(o.late()).isEqualTo(2);
        assertThat(o.undelivered()).isEqualTo(2);
    }

    @Test
    void anIdleSessionGoesOnWhereItsStateIsAtOnce() {
        Outcome o = run(WORLD, fixed(1), session("a", 0, 3, 10, 13));

        assertThat(o.late()).isZero();
        assertThat(o.latencies().worstSeconds()).isEqualTo(0.1875);
        assertThat(o.suspends()).isZero();
    }

    @Test
    void aLiveMoveStopsItsSessionForTheCutOver() {
        // The copy takes 5 + 5.4e9 / 40e9 s = 140 ms: from 2.87 to 3.01, stopped from 2.985 on, and
        // the chunk due at 3.0 waits 10 ms.
        Outcome o = run(WORLD, moveAt(2_870), session("a", 0, 6));

        assertThat(o.migrations()).isOne();
        assertThat(o.latencies().worstSeconds()).isCloseTo(0.1975, within(0.001));
        assertThat(o.late()).isZero();
    }

    @Test
    void aSessionThatMovesAsItWakesWaitsForItsCopy() {
        Outcome o = run(WORLD, moveAt(4_000), session("a", 0, 3, 4, 7));

        assertThat(o.migrations()).isOne();
        assertThat(o.latencies().worstSeconds()).isCloseTo(0.1875 + 0.140, within(0.002));
    }

    @Test
    void aSuspendedSessionComesBackOverTheHostLink() {
        // 5 + 5.4e9 / 20e9 s = 275 ms.
        Policy suspends =
                script(
                        s -> {
                            List<Action> all = fixedActions(s, 1);
                            for (SessionSnapshot x : s.sessions()) {
                                switch (x.place()) {
                                    case Place.Device(String w) -> {
                                        if (!x.wantsChunks() && !x.busy()) {
                                            all.add(new Action.Suspend(x.uid(), w));
                                        }
                                    }
                                    case Place.Host(String w) -> {
                                        if (x.wantsChunks() && !x.busy()) {
                                            all.add(new Action.Resume(x.uid(), w));
                                        }
                                    }
                                    case Place.Moving m -> {}
                                    case Place.Store m -> {}
                                }
                            }
                            return all;
                        });

        Outcome o = run(WORLD, suspends, session("a", 0, 3, 6, 9));

        assertThat(o.suspends()).isOne();
        assertThat(o.latencies().worstSeconds()).isCloseTo(0.1875 + 0.275, within(0.003));
    }

    @Test
    void aFailedWorkersSessionsAreRebuiltAndNoneIsLost() {
        Conditions world = WORLD.failing(20);

        Outcome o = run(world, fixed(2), session("a", 0, 300), session("b", 1, 300));

        assertThat(o.failures()).isPositive();
        assertThat(o.rebuilds()).isPositive();
        assertThat(o.late()).isPositive();
        assertThat(o.due()).isEqualTo(400 + 399);
    }

    @Test
    void theSameSeedGivesTheSameRun() {
        Conditions world = WORLD.failing(30);

        Outcome one = run(world, fixed(2), session("a", 0, 300), session("b", 1, 300));
        Outcome two = run(world, fixed(2), session("a", 0, 300), session("b", 1, 300));

        assertThat(two.late()).isEqualTo(one.late());
        assertThat(two.gpuSeconds()).isEqualTo(one.gpuSeconds());
        assertThat(two.failures()).isEqualTo(one.failures());
    }

    @Test
    void aPolicyThatUsesAWorkerThatIsNotReadyIsRefused() {
        Policy hasty =
                script(
                        s -> {
                            List<Action> all = new ArrayList<>();
                            if (s.workers().isEmpty()) {
                                all.add(new Action.RequestWorkers(1));
                            } else {
                                all.add(new Action.Place("a", s.workers().getFirst().name()));
                            }
                            return all;
                        });

        assertThatThrownBy(() -> run(WORLD, hasty, session("a", 0, 3)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("takes no sessions");
    }

    @Test
    void aBurstThatEndsWhereAnotherBeginsNeedsNoSecondPlace() {
        Workload work = work(session("a", 0, 3), session("b", 3, 6));

        Outcome o = Simulation.run(work, oneEach(), 0.01, WORLD, Journal.NONE);

        assertThat(o.peakGpus()).isOne();
    }

    // ---- policies by hand

    private static Policy script(Function<FleetSnapshot, List<Action>> actions) {
        return s -> new Plan(0, false, actions.apply(s), "by hand", NEVER);
    }

    /** So many workers from the start; who waits goes to the first that is ready. */
    private static Policy fixed(int workers) {
        return script(s -> fixedActions(s, workers));
    }

    private static List<Action> fixedActions(FleetSnapshot s, int workers) {
        List<Action> all = new ArrayList<>();
        if (s.workers().size() < workers) {
            all.add(new Action.RequestWorkers(workers - s.workers().size()));
        }
        s.workers().stream()
                .filter(w -> w.phase() == Phase.READY)
                .findFirst()
                .ifPresent(
                        w ->
                                s.sessions().stream()
                                        .filter(x -> x.demands() && !x.busy())
                                        .filter(x -> x.place() instanceof Place.Store)
                                        .forEach(
                                                x -> all.add(new Action.Place(x.uid(), w.name()))));
        return all;
    }

    /** A worker per session, to the end. */
    private static Policy oneEach() {
        return script(
                s -> {
                    List<Action> all = new ArrayList<>();
                    long open = s.sessions().stream().filter(SessionSnapshot::demands).count();
                    if (s.workers().size() < open) {
                        all.add(new Action.RequestWorkers((int) open - s.workers().size()));
                    }
                    List<String> free = new ArrayList<>();
                    s.workers().stream()
                            .filter(w -> w.phase() == Phase.READY)
                            .forEach(w -> free.add(w.name()));
                    for (SessionSnapshot x : s.sessions()) {
                        if (x.place() instanceof Place.Device(String w)) {
                            free.remove(w);
                        }
                    }
                    for (SessionSnapshot x : s.sessions()) {
                        if (x.demands() && x.place() instanceof Place.Store && !free.isEmpty()) {
                            all.add(new Action.Place(x.uid(), free.removeFirst()));
                        }
                    }
                    return all;
                });
    }

    /** Two workers; the one session moves from the first to the second at an instant. */
    private static Policy moveAt(long millis) {
        return s -> {
            List<Action> all = fixedActions(s, 2);
            if (s.nowMillis() == millis) {
                all.add(new Action.Move("a", s.workers().get(0).name(), s.workers().get(1).name()));
            }
            return new Plan(2, false, all, "by hand", s.nowMillis() < millis ? millis : NEVER);
        };
    }

    private static Outcome run(Conditions world, Policy policy, TraceSession... sessions) {
        return Simulation.run(work(sessions), policy, 0.01, world, Journal.NONE);
    }

    private static Workload work(TraceSession... sessions) {
        return Workload.of(new Trace(List.of(sessions)), 1, 1);
    }

    private static TraceSession session(String id, double... edges) {
        List<Burst> bursts = new ArrayList<>();
        for (int i = 0; i < edges.length; i += 2) {
            bursts.add(new Burst(edges[i], edges[i + 1]));
        }
        return new TraceSession(id, bursts);
    }
}
