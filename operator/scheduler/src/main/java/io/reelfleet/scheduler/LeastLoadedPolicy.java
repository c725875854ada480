package io.reelfleet.scheduler;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Each session goes to the worker with the fewest active ones, and there are ceil(active / C)
 * workers: more at once, fewer only when the load has been lower for the pool's down delay.
 * Sessions for which there is no room wait, higher priority and then longer wait first.
 *
 * <p>Ties go to the worker that has been ready longest, so that the youngest ones fall empty first.
 * Of the workers to give back those that are not ready yet go first, then empty ones (longest empty
 * first, so that the last-emptied is there for reuse, DESIGN section 4), then the one with the
 * least to move.
 */
public final class LeastLoadedPolicy implements Policy {

    @Override
    public Plan decide(FleetSnapshot snapshot) {
        return new Decision(snapshot).plan();
    }

    /** The working state of one decision. */
    private static final class Decision {
        private final FleetSnapshot snapshot;
        private final PoolSettings pool;
        private final List<Action> actions = new ArrayList<>();
        private final Map<String, Integer> index = new HashMap<>();
        private final WorkerSnapshot[] workers;

        /** Load of the sessions that want chunks, per worker. */
        private final double[] load;

        /** Sessions whose state is or will be on the device. */
        private final int[] onDevice;

        /** All sessions, suspended ones included. */
        private final int[] held;

        /** A session that must be alone is there. */
        private final boolean[] reserved;

        /** Decided here: no longer to be filled. */
        private final boolean[] closed;

        /** Sessions about which something is decided. */
        private final Set<String> decided = new HashSet<>();

        private int moves;

        Decision(FleetSnapshot snapshot) {
            this.snapshot = snapshot;
            this.pool = snapshot.pool();
            this.workers = snapshot.workers().toArray(WorkerSnapshot[]::new);
            load = new double[workers.length];
            onDevice = new int[workers.length];
            held = new int[workers.length];
            reserved = new boolean[workers.length];
            closed = new boolean[workers.length];
            for (int i = 0; i < workers.length; i++) {
                index.put(workers[i].name(), i);
                closed[i] = !workers[i].open();
            }
            for (SessionSnapshot s : snapshot.sessions()) {
                switch (s.place()) {
                    case Place.Device(String worker) -> count(s, worker, true);
                    case Place.Host(String worker) -> count(s, worker, false);
                    case Place.Moving(String from, String to) -> {
                        moves++;
                        count(s, to, true);
                        Integer source = index.get(from);
                        if (source != null) {
                            held[source]++;
                        }
                    }
                    case Place.Store() -> {}
                }
            }
        }

        private void count(SessionSnapshot s, String worker, boolean device) {
            Integer i = index.get(worker);
            if (i == null) {
                return;
            }
            held[i]++;
            if (device) {
                onDevice[i]++;
                load[i] += s.demands() ? s.weight() : 0;
                reserved[i] |= s.alone() && s.active();
            }
        }

        Plan plan() {
            suspend();
            // Before placing: what is about to be emptied takes nobody in.
            int active = (int) Math.ceil(demand());
            int wanted = wanted(active);
            int serving = 0;
            for (WorkerSnapshot w : workers) {
                serving += w.stays() ? 1 : 0;
            }
            if (wanted < serving) {
                shrink(serving - wanted, active);
            }
            resumeAndPlace();
            empty();
            relieve();
            if (wanted > serving) {
                actions.add(new Action.RequestWorkers(wanted - serving));
            }
            boolean limited =
                    pool.mode() != PoolSettings.Mode.MANUAL && needed(active) > pool.maxWorkers();
            return new Plan(
                    wanted,
                    limited,
                    actions,
                    reason(active, wanted),
                    0,
                    limited ? needed(active) : wanted);
        }

        private double demand() {
            double sum = 0;
            for (SessionSnapshot s : snapshot.sessions()) {
                sum += s.demands() ? s.weight() : 0;
            }
            return sum;
        }

        private int needed(int active) {
            return Math.ceilDiv(active, pool.capacity());
        }

        private int wanted(int active) {
            if (pool.mode() == PoolSettings.Mode.MANUAL) {
                return pool.manualWorkers();
            }
            int peak =
                    Math.max(
                            active,
                            snapshot.demand()
                                    .peakSince(snapshot.nowMillis() - pool.downDelayMillis()));
            int wanted = Math.clamp(needed(peak), pool.minWorkers(), pool.maxWorkers());
            int pods = Math.ceilDiv(wanted, pool.workersPerPod());
            return Math.min(pods * pool.workersPerPod(), Math.max(pool.maxWorkers(), wanted));
        }

        /** Sessions that want no chunks give their device memory back. */
        private void suspend() {
            for (SessionSnapshot s : snapshot.sessions()) {
                if (s.busy()
                        || !(s.place() instanceof Place.Device(String worker))
                        || frozen(worker)) {
                    continue;
                }
                boolean idleTooLong =
                        pool.idleTimeoutMillis() > 0
                                && !s.wantsChunks()
                                && s.idleSinceMillis() > 0
                                && snapshot.nowMillis() - s.idleSinceMillis()
                                        >= pool.idleTimeoutMillis();
                if (!s.active() || idleTooLong) {
                    actions.add(new Action.Suspend(s.uid(), worker));
                    decided.add(s.uid());
                    Integer i = index.get(worker);
                    if (i != null) {
                        onDevice[i]--;
                        load[i] -= s.demands() ? s.weight() : 0;
                    }
                }
            }
        }

        private boolean frozen(String worker) {
            Integer i = index.get(worker);
            return i != null && workers[i].phase() == WorkerSnapshot.Phase.UNKNOWN;
        }

        /** Chooses which workers go. */
        private void shrink(int surplus, int active) {
            List<Integer> candidates = new ArrayList<>();
            for (int i = 0; i < workers.length; i++) {
                if (workers[i].stays() && workers[i].phase() != WorkerSnapshot.Phase.UNKNOWN) {
                    candidates.add(i);
                }
            }
            candidates.sort(
                    Comparator.<Integer>comparingInt(i -> goesFirst(workers[i]))
                            .thenComparingDouble(i -> load[i])
                            .thenComparingInt(i -> held[i])
                            .thenComparingLong(
                                    i ->
                                            held[i] == 0
                                                    ? workers[i].emptySinceMillis()
                                                    : -workers[i].readyAtMillis())
                            .thenComparing(Comparator.reverseOrder()));
            double room = 0;
            for (int i = 0; i < workers.length; i++) {
                room += workers[i].open() ? pool.capacity() : 0;
            }
            for (int i : candidates) {
                if (surplus == 0) {
                    return;
                }
                boolean ready = workers[i].phase() == WorkerSnapshot.Phase.READY;
                boolean mayGo =
                        load[i] == 0 || pool.migration() || pool.mode() == PoolSettings.Mode.MANUAL;
                // In Manual fewer workers than the load needs are the owner's wish: the rest waits.
                boolean fits =
                        !ready
                                || pool.mode() == PoolSettings.Mode.MANUAL
                                || room - pool.capacity() >= active;
                if (!mayGo || !fits) {
                    continue;
                }
                if (ready) {
                    closed[i] = true;
                    room -= pool.capacity();
                    actions.add(new Action.DrainWorker(workers[i].name()));
                } else {
                    actions.add(new Action.ReleaseWorker(workers[i].name()));
                    // Its place in the list stays, so that nothing else is decided about it.
                    closed[i] = true;
                }
                surplus--;
            }
        }

        private static int goesFirst(WorkerSnapshot w) {
            return switch (w.phase()) {
                case REQUESTED -> 0;
                case LOADING -> 1;
                case READY -> 2;
                case DRAINING, UNKNOWN -> 3;
            };
        }

        private void resumeAndPlace() {
            List<SessionSnapshot> waiting = new ArrayList<>();
            for (SessionSnapshot s : snapshot.sessions()) {
                boolean parked =
                        s.place() instanceof Place.Store || s.place() instanceof Place.Host;
                if (!s.busy() && s.demands() && parked) {
                    waiting.add(s);
                }
            }
            // The sort is stable: equal ones keep the order in which they were opened.
            waiting.sort(
                    Comparator.<SessionSnapshot>comparingInt(s -> -s.priority())
                            .thenComparingLong(SessionSnapshot::waitingSinceMillis));
            for (SessionSnapshot s : waiting) {
                String here = s.place() instanceof Place.Host(String worker) ? worker : null;
                if (here != null && frozen(here)) {
                    continue;
                }
                int at = here == null ? -1 : index.getOrDefault(here, -1);
                int best = leastLoaded(s, at);
                if (best < 0) {
                    continue;
                }
                // Its state is there already: another worker must be better by a whole session to
                // be worth a rebuild.
                if (at >= 0 && fits(at, s) && load[at] < load[best] + 1) {
                    best = at;
                }
                decided.add(s.uid());
                if (best == at) {
                    actions.add(new Action.Resume(s.uid(), here));
                    onDevice[at]++;
                    load[at] += s.weight();
                    reserved[at] |= s.alone();
                } else if (here == null) {
                    actions.add(new Action.Place(s.uid(), workers[best].name()));
                    take(best, s);
                } else {
                    actions.add(new Action.Move(s.uid(), here, workers[best].name()));
                    moves++;
                    take(best, s);
                }
            }
        }

        private void take(int worker, SessionSnapshot s) {
            held[worker]++;
            onDevice[worker]++;
            load[worker] += s.weight();
            reserved[worker] |= s.alone();
        }

        private boolean fits(int i, SessionSnapshot s) {
            boolean company = s.alone() && onDevice[i] > 0;
            return !closed[i]
                    && !reserved[i]
                    && !company
                    && load[i] + s.weight() <= pool.capacity()
                    && onDevice[i] < workers[i].slots();
        }

        /** The index of the open worker with the least load that can take the session, or -1. */
        private int leastLoaded(SessionSnapshot s, int preferred) {
            int best = -1;
            for (int i = 0; i < workers.length; i++) {
                if (fits(i, s) && (best < 0 || better(i, best, preferred))) {
                    best = i;
                }
            }
            return best;
        }

        private boolean better(int i, int best, int preferred) {
            if (load[i] != load[best]) {
                return load[i] < load[best];
            }
            if (i == preferred || best == preferred) {
                return i == preferred;
            }
            if (held[i] != held[best]) {
                return held[i] < held[best];
            }
            return workers[i].readyAtMillis() < workers[best].readyAtMillis();
        }

        /** Sessions leave workers that drain; an empty one is given back. */
        private void empty() {
            for (int i = 0; i < workers.length; i++) {
                WorkerSnapshot w = workers[i];
                boolean drains = w.phase() == WorkerSnapshot.Phase.DRAINING;
                if (w.phase() == WorkerSnapshot.Phase.READY && w.mustEmpty()) {
                    actions.add(new Action.DrainWorker(w.name()));
                } else if (drains && held[i] == 0) {
                    actions.add(new Action.ReleaseWorker(w.name()));
                }
            }
            for (SessionSnapshot s : snapshot.sessions()) {
                if (s.busy() || decided.contains(s.uid())) {
                    continue;
                }
                switch (s.place()) {
                    case Place.Device(String from) -> {
                        if (leaving(from)) {
                            if (!s.active()) {
                                // suspend() has asked for that; the state goes with the next
                                // decision.
                                continue;
                            }
                            int to = moves < pool.maxMoves() ? leastLoaded(s, -1) : -1;
                            if (to >= 0) {
                                actions.add(new Action.Move(s.uid(), from, workers[to].name()));
                                decided.add(s.uid());
                                moves++;
                                take(to, s);
                            } else if (moves < pool.maxMoves() && manualSurplus(from)) {
                                actions.add(new Action.Release(s.uid(), from));
                            }
                        }
                    }
                    case Place.Host(String from) -> {
                        if (leaving(from)) {
                            actions.add(new Action.Release(s.uid(), from));
                        }
                    }
                    case Place.Moving m -> {}
                    case Place.Store s0 -> {}
                }
            }
        }

        private boolean manualSurplus(String from) {
            return pool.mode() == PoolSettings.Mode.MANUAL && !workers[index.get(from)].mustEmpty();
        }

        private boolean leaving(String worker) {
            Integer i = index.get(worker);
            return i != null
                    && (workers[i].phase() == WorkerSnapshot.Phase.DRAINING
                            || (workers[i].mustEmpty()
                                    && workers[i].phase() == WorkerSnapshot.Phase.READY));
        }

        /** Sessions that woke on a full worker go where there is room. */
        private void relieve() {
            if (!pool.migration()) {
                return;
            }
            for (SessionSnapshot s : snapshot.sessions()) {
                if (moves >= pool.maxMoves()) {
                    return;
                }
                if (s.busy() || !s.demands() || !(s.place() instanceof Place.Device(String from))) {
                    continue;
                }
                int at = index.getOrDefault(from, -1);
                if (at < 0 || !workers[at].open() || closed[at] || load[at] <= pool.capacity()) {
                    continue;
                }
                int to = leastLoaded(s, -1);
                if (to >= 0) {
                    actions.add(new Action.Move(s.uid(), from, workers[to].name()));
                    moves++;
                    load[at] -= s.weight();
                    onDevice[at]--;
                    take(to, s);
                }
            }
        }

        private String reason(int active, int wanted) {
            int needed = needed(active);
            String count =
                    "%d active session%s at %d per worker need%s %d worker%s"
                            .formatted(
                                    active,
                                    active == 1 ? "" : "s",
                                    pool.capacity(),
                                    active == 1 ? "s" : "",
                                    needed,
                                    needed == 1 ? "" : "s");
            return switch (pool.mode()) {
                case MANUAL ->
                        "Manual: %d worker%s asked for; %s"
                                .formatted(wanted, wanted == 1 ? "" : "s", count);
                case REACTIVE -> count + bound(needed, wanted);
                case PREDICTIVE ->
                        count
                                + bound(needed, wanted)
                                + " (Predictive: no forecast yet, decided as Reactive)";
            };
        }

        private String bound(int needed, int wanted) {
            if (needed > pool.maxWorkers()) {
                return ", held to the maximum of " + pool.maxWorkers();
            }
            if (needed < pool.minWorkers() && wanted == pool.minWorkers()) {
                return ", raised to the minimum of " + pool.minWorkers();
            }
            if (needed < wanted) {
                return ", %d kept for up to %d s after the last peak"
                        .formatted(wanted, pool.downDelayMillis() / 1000);
            }
            return "";
        }
    }
}
