package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

/** What holds for any snapshot, and for any course of events. */
class MigrationAwarePolicyPropertyTest {
    private static final int TRIES = 500;
    private static final int STEPS_UNTIL_STILL = 80;
    private final MigrationAwarePolicy policy = new MigrationAwarePolicy();

    @Provide
    Arbitrary<FleetSnapshot> snapshots() {
        return Arbitraries.longs().between(0, 1L << 40).map(RandomSnapshots::of);
    }

    @Property(tries = TRIES)
    void aDecisionIsAPureFunctionOfItsSnapshot(@ForAll("snapshots") FleetSnapshot s) {
        assertThat(policy.decide(s)).isEqualTo(new MigrationAwarePolicy().decide(s));
    }

    @Property(tries = TRIES)
    void theCompactFormIsTheSameSnapshot(@ForAll("snapshots") FleetSnapshot s) {
        Fleet fleet = Fleet.of(s);
        FleetSnapshot back = fleet.snapshot();
        assertThat(back.workers()).isEqualTo(s.workers());
        assertThat(back.sessions()).isEqualTo(s.sessions());
        assertThat(policy.decide(back)).isEqualTo(policy.decide(s));
    }

    @Property(tries = TRIES)
    void eachSessionIsTouchedAtMostOnceAndNoneIsLost(@ForAll("snapshots") FleetSnapshot s) {
        Plan plan = policy.decide(s);
        List<String> touched = new ArrayList<>();
        for (Action a : plan.actions()) {
            switch (a) {
                case Action.Place p -> touched.add(p.session());
                case Action.Move m -> {
                    touched.add(m.session());
                    assertThat(m.from()).isNotEqualTo(m.to());
                }
                case Action.Suspend x -> touched.add(x.session());
                case Action.Resume x -> touched.add(x.session());
                case Action.Release x -> touched.add(x.session());
                case Action.RequestWorkers x -> assertThat(x.count()).isPositive();
                case Action.DrainWorker x -> {}
                case Action.ReleaseWorker x ->
                        assertThat(s.sessions())
                                .as("a worker is given back empty")
                                .noneMatch(q -> holds(q, x.worker()));
            }
        }
        assertThat(touched).doesNotHaveDuplicates();
        Set<String> busy = new HashSet<>();
        s.sessions().stream().filter(SessionSnapshot::busy).forEach(x -> busy.add(x.uid()));
        assertThat(touched).noneMatch(busy::contains);
        FleetSnapshot after = Snapshots.after(s, plan);
        assertThat(after.sessions().stream().map(SessionSnapshot::uid))
                .containsExactlyElementsOf(
                        s.sessions().stream().map(SessionSnapshot::uid).toList());
    }

    private static boolean holds(SessionSnapshot s, String worker) {
        return switch (s.place()) {
            case Place.Device(String w) -> w.equals(worker);
            case Place.Host(String w) -> w.equals(worker);
            case Place.Moving(String f, String t) -> f.equals(worker) || t.equals(worker);
            case Place.Store() -> false;
        };
    }

    @Property(tries = TRIES)
    void noPlanFillsAWorkerBeyondItsCapacityOrItsMemory(@ForAll("snapshots") FleetSnapshot s) {
        Fleet before = Fleet.of(s);
        Fleet after = Fleet.of(Snapshots.after(s, policy.decide(s)));
        for (int i = 0; i < after.workers(); i++) {
            int w = after.worker(i);
            int old = before.workerNumber(after.workerName(w));
            double loadBefore = old == Fleet.NONE ? 0 : before.load(old);
            int stateBefore = old == Fleet.NONE ? 0 : before.onDevice(old);
            assertThat(after.load(w) <= after.capacity(w) || after.load(w) <= loadBefore)
                    .as("load of " + after.workerName(w))
                    .isTrue();
            assertThat(after.onDevice(w) <= after.slots(w) || after.onDevice(w) <= stateBefore)
                    .as("memory of " + after.workerName(w))
                    .isTrue();
        }
    }

    @Property(tries = TRIES)
    void movesStayWithinTheBudget(@ForAll("snapshots") FleetSnapshot s) {
        long moves =
                policy.decide(s).actions().stream().filter(a -> a instanceof Action.Move).count();
        assertThat(moves).isLessThanOrEqualTo(s.pool().maxMoves());
    }

    @Property(tries = TRIES)
    void whatMustBeAloneSharesNoWorker(@ForAll("snapshots") FleetSnapshot s) {
        FleetSnapshot after = Snapshots.after(s, policy.decide(s));
        Set<String> moved = new HashSet<>();
        for (Action a : policy.decide(s).actions()) {
            if (a instanceof Action.Place p) {
                moved.add(p.session());
            } else if (a instanceof Action.Move m) {
                moved.add(m.session());
            }
        }
        for (SessionSnapshot lonely : after.sessions()) {
            if (lonely.alone()
                    && moved.contains(lonely.uid())
                    && lonely.place() instanceof Place.Device(String w)) {
                assertThat(
                                after.sessions().stream()
                                        .filter(
                                                x ->
                                                        x.place() instanceof Place.Device(String v)
                                                                && v.equals(w)))
                        .hasSize(1);
            }
        }
    }

    @Property(tries = TRIES)
    void plansComeToRestAndThenNothingIsDecided(@ForAll("snapshots") FleetSnapshot s) {
        FleetSnapshot now = s;
        Plan plan = policy.decide(now);
        for (int i = 0; i < STEPS_UNTIL_STILL && !plan.actions().isEmpty(); i++) {
            now = Snapshots.after(now, plan);
            plan = policy.decide(now);
        }
        assertThat(plan.actions()).isEmpty();
    }

    @Property(tries = TRIES)
    void workersStayWithinTheLimits(@ForAll("snapshots") FleetSnapshot s) {
        Plan plan = policy.decide(s);
        if (s.pool().mode() != PoolSettings.Mode.MANUAL) {
            assertThat(plan.wantedWorkers())
                    .isBetween(s.pool().minWorkers(), s.pool().maxWorkers());
        }
        assertThat(plan.reason()).isNotBlank();
    }

    @Property(tries = TRIES)
    void namesMeanNothing(@ForAll("snapshots") FleetSnapshot s) {
        Plan plan = policy.decide(s);
        Plan renamed = policy.decide(RandomSnapshots.renamed(s));
        assertThat(renamed.actions().toString())
                .isEqualTo(RandomSnapshots.rename(plan.actions().toString()));
        assertThat(renamed.wantedWorkers()).isEqualTo(plan.wantedWorkers());
    }

    @Property(tries = TRIES)
    void theTimeOfDayMeansNothing(@ForAll("snapshots") FleetSnapshot s) {
        Plan plan = policy.decide(s);
        Plan later = policy.decide(RandomSnapshots.shifted(s, 3_600_000));
        assertThat(later.actions()).isEqualTo(plan.actions());
        assertThat(later.wantedWorkers()).isEqualTo(plan.wantedWorkers());
    }

    @Property(tries = TRIES)
    void anIdleSessionMoreChangesNothingForTheActiveOnes(@ForAll("snapshots") FleetSnapshot s) {
        List<SessionSnapshot> more = new ArrayList<>(s.sessions());
        more.add(
                new SessionSnapshot(
                        "s99", false, false, 0, 1, 0, 0, new Place.Store(), false, false));
        FleetSnapshot with =
                new FleetSnapshot(
                        s.nowMillis(), s.pool(), s.workers(), more, s.demand(), s.outlook());
        assertThat(policy.decide(with)).isEqualTo(policy.decide(s));
    }

    /**
     * On a fixed set, after every event and what follows from it: the worst load within one of the
     * average, no more moves than sessions have ended, none when one begins.
     */
    @Property(tries = 200)
    void loadsStayWithinOneOfTheAverageWithFewestMoves(
            @ForAll long seed, @ForAll @IntRange(min = 1, max = 12) int workers) {
        Random r = new Random(seed);
        int capacity = r.nextInt(4) + 1;
        PoolSettings pool = Snapshots.pool(PoolSettings.Mode.MANUAL, capacity, workers, workers);
        Fleet fleet = new Fleet(pool);
        fleet.advance(Snapshots.NOW);
        for (int i = 0; i < workers; i++) {
            fleet.ready(fleet.request("w" + i));
        }
        List<Integer> active = new ArrayList<>();
        int opened = 0;
        int allowed = 0;
        for (int event = 0; event < 60; event++) {
            fleet.advance(Snapshots.NOW + event * 1_000L);
            boolean arrives =
                    active.isEmpty() || active.size() < workers * capacity && r.nextBoolean();
            if (arrives) {
                active.add(fleet.open("s" + opened++, 0, 1, true));
            } else {
                fleet.close(active.remove(r.nextInt(active.size())));
            }
            int moves = 0;
            for (int round = 0; round < 4; round++) {
                Plan plan = policy.decide(fleet);
                moves += Played.on(fleet, plan);
            }
            allowed += arrives ? 0 : 1;
            allowed -= moves;
            assertThat(arrives ? moves : 0).isZero();
            assertThat(allowed).isNotNegative();
            double worst = 0;
            for (int i = 0; i < fleet.workers(); i++) {
                worst = Math.max(worst, fleet.load(fleet.worker(i)));
            }
            assertThat(worst).isLessThanOrEqualTo((double) active.size() / workers + 1);
            assertThat(fleet.lateCount()).as("late sessions").isZero();
        }
    }

    /** The fleet that was told event by event decides as the snapshot built from scratch. */
    @Property(tries = 150)
    void anIncrementalFleetDecidesAsItsSnapshot(@ForAll long seed) {
        Random r = new Random(seed);
        PoolSettings pool = Snapshots.pool(PoolSettings.Mode.REACTIVE, r.nextInt(4) + 1, 0, 6);
        Fleet fleet = new Fleet(pool);
        List<Integer> open = new ArrayList<>();
        long now = Snapshots.NOW;
        int opened = 0;
        for (int event = 0; event < 80; event++) {
            now += r.nextInt(20_000);
            fleet.advance(now);
            int what = r.nextInt(6);
            if (what < 2 || open.isEmpty()) {
                open.add(fleet.open("s" + opened++, r.nextInt(2), 1, r.nextBoolean()));
            } else if (what == 2) {
                fleet.close(open.remove(r.nextInt(open.size())));
            } else {
                int s = open.get(r.nextInt(open.size()));
                fleet.wanted(s, true, !fleet.wants(s));
            }
            for (int i = 0; i < fleet.workers(); i++) {
                int w = fleet.worker(i);
                if (fleet.phase(w) == WorkerSnapshot.Phase.REQUESTED && r.nextBoolean()) {
                    fleet.ready(w);
                }
            }
            Plan plan = policy.decide(fleet);
            Plan fresh = new MigrationAwarePolicy().decide(fleet.snapshot());
            assertThat(plan.actions()).isEqualTo(fresh.actions());
            assertThat(plan.wantedWorkers()).isEqualTo(fresh.wantedWorkers());
            Played.on(fleet, plan);
        }
    }
}
