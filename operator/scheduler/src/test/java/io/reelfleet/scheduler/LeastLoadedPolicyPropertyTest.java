package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
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

/** What holds for any snapshot. */
class LeastLoadedPolicyPropertyTest {
    private static final int TRIES = 500;
    private static final int STEPS_UNTIL_STILL = 60;
    private final LeastLoadedPolicy policy = new LeastLoadedPolicy();

    @Provide
    Arbitrary<FleetSnapshot> snapshots() {
        return Arbitraries.longs().between(0, 1L << 40).map(LeastLoadedPolicyPropertyTest::random);
    }

    private static FleetSnapshot random(long seed) {
        Random r = new Random(seed);
        int max = r.nextInt(8) + 1;
        PoolSettings pool =
                Snapshots.pool(
                        PoolSettings.Mode.values()[r.nextInt(3)],
                        r.nextInt(4) + 1,
                        r.nextInt(max + 1),
                        max);
        List<WorkerSnapshot> workers = new ArrayList<>();
        int count = r.nextInt(10);
        for (int i = 0; i < count; i++) {
            Phase phase = r.nextInt(3) > 0 ? Phase.READY : Phase.values()[r.nextInt(5)];
            boolean sized = r.nextInt(4) == 0;
            workers.add(
                    new WorkerSnapshot(
                            "w" + i,
                            phase,
                            r.nextInt(10) == 0,
                            sized ? 10 + r.nextInt(50) : 0,
                            sized ? 10 : 0,
                            i,
                            phase == Phase.READY ? 100 + r.nextInt(100) : 0,
                            r.nextInt(2) * 500L,
                            0));
        }
        List<SessionSnapshot> sessions = new ArrayList<>();
        int n = r.nextInt(25);
        for (int i = 0; i < n; i++) {
            boolean somewhere = !workers.isEmpty() && r.nextBoolean();
            // What is not there cannot hold a session.
            WorkerSnapshot at = somewhere ? workers.get(r.nextInt(workers.size())) : null;
            boolean holds =
                    at != null && at.phase() != Phase.REQUESTED && at.phase() != Phase.LOADING;
            Place place =
                    !holds
                            ? new Place.Store()
                            : r.nextInt(3) == 0
                                    ? new Place.Host(at.name())
                                    : new Place.Device(at.name());
            boolean wants = r.nextInt(4) > 0;
            sessions.add(
                    new SessionSnapshot(
                            "s" + i,
                            r.nextInt(4) > 0,
                            wants,
                            r.nextInt(2),
                            1,
                            r.nextInt(1000),
                            wants ? 0 : Snapshots.NOW - r.nextInt(60_000),
                            place,
                            r.nextInt(8) == 0,
                            r.nextInt(12) == 0));
        }
        return Snapshots.snapshot(pool, workers, sessions);
    }

    private static Set<String> uids(FleetSnapshot s) {
        Set<String> uids = new HashSet<>();
        s.sessions().forEach(x -> uids.add(x.uid()));
        return uids;
    }

    @Property(tries = TRIES)
    void aDecisionIsAPureFunctionOfItsSnapshot(@ForAll("snapshots") FleetSnapshot s) {
        assertThat(policy.decide(s)).isEqualTo(new LeastLoadedPolicy().decide(s));
    }

    @Property(tries = TRIES)
    void eachSessionIsTouchedAtMostOnceAndNoneIsLost(@ForAll("snapshots") FleetSnapshot s) {
        Plan plan = policy.decide(s);
        List<String> touched = new ArrayList<>();
        for (Action a : plan.actions()) {
            switch (a) {
                case Action.Place p -> touched.add(p.session());
                case Action.Move m -> touched.add(m.session());
                case Action.Suspend x -> touched.add(x.session());
                case Action.Resume x -> touched.add(x.session());
                case Action.Release x -> touched.add(x.session());
                case Action.RequestWorkers x -> assertThat(x.count()).isPositive();
                case Action.DrainWorker x -> {}
                case Action.ReleaseWorker x ->
                        assertThat(s.sessions())
                                .as("a worker is given back empty")
                                .noneMatch(
                                        q ->
                                                q.place() instanceof Place.Device(String w)
                                                                && w.equals(x.worker())
                                                        || q.place() instanceof Place.Host(String h)
                                                                && h.equals(x.worker()));
            }
        }
        assertThat(touched).doesNotHaveDuplicates();
        assertThat(uids(Snapshots.after(s, plan))).isEqualTo(uids(s));
        Set<String> busy = new HashSet<>();
        s.sessions().stream().filter(SessionSnapshot::busy).forEach(x -> busy.add(x.uid()));
        assertThat(touched).noneMatch(busy::contains);
    }

    @Property(tries = TRIES)
    void noPlanFillsAWorkerBeyondItsCapacity(@ForAll("snapshots") FleetSnapshot s) {
        FleetSnapshot after = Snapshots.after(s, policy.decide(s));
        for (WorkerSnapshot w : after.workers()) {
            double load = load(after, w.name());
            assertThat(load <= s.pool().capacity() || load <= load(s, w.name()))
                    .as(w.name())
                    .isTrue();
        }
    }

    private static double load(FleetSnapshot s, String worker) {
        return s.sessions().stream()
                .filter(
                        x ->
                                x.demands()
                                        && x.place() instanceof Place.Device(String w)
                                        && w.equals(worker))
                .mapToDouble(SessionSnapshot::weight)
                .sum();
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
    }

    @Property(tries = TRIES)
    void namesMeanNothing(@ForAll("snapshots") FleetSnapshot s) {
        Plan plan = policy.decide(s);
        Plan renamed = policy.decide(renamed(s));
        assertThat(renamed.actions().toString()).isEqualTo(rename(plan.actions().toString()));
        assertThat(renamed.wantedWorkers()).isEqualTo(plan.wantedWorkers());
    }

    /** Reverses the order of the alphabet in a name and keeps the order of the list. */
    private static String name(String old) {
        return (old.charAt(0) == 'w' ? "worker" : "session")
                + (char) ('z' - Integer.parseInt(old.substring(1)));
    }

    private static String rename(String text) {
        return java.util.regex.Pattern.compile("\\b[sw]\\d+\\b")
                .matcher(text)
                .replaceAll(m -> name(m.group()));
    }

    private static FleetSnapshot renamed(FleetSnapshot s) {
        return new FleetSnapshot(
                s.nowMillis(),
                s.pool(),
                s.workers().stream()
                        .map(
                                w ->
                                        new WorkerSnapshot(
                                                name(w.name()),
                                                w.phase(),
                                                w.mustEmpty(),
                                                w.deviceBytesLimit(),
                                                w.sessionBytes(),
                                                w.requestedAtMillis(),
                                                w.readyAtMillis(),
                                                w.emptySinceMillis(),
                                                0))
                        .toList(),
                s.sessions().stream()
                        .map(
                                x ->
                                        new SessionSnapshot(
                                                name(x.uid()),
                                                x.active(),
                                                x.wantsChunks(),
                                                x.priority(),
                                                x.weight(),
                                                x.waitingSinceMillis(),
                                                x.idleSinceMillis(),
                                                switch (x.place()) {
                                                    case Place.Device(String w) ->
                                                            new Place.Device(name(w));
                                                    case Place.Host(String w) ->
                                                            new Place.Host(name(w));
                                                    case Place.Moving(String f, String t) ->
                                                            new Place.Moving(name(f), name(t));
                                                    case Place.Store() -> new Place.Store();
                                                },
                                                x.busy(),
                                                x.alone()))
                        .toList(),
                s.demand());
    }
}
