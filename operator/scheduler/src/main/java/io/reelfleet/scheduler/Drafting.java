package io.reelfleet.scheduler;

import io.reelfleet.scheduler.Fleet.At;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One decision of {@link MigrationAwarePolicy}: the fleet as it will be when what has been drafted
 * so far is done, and the steps that draft it.
 */
final class Drafting {
    private static final int NONE = Fleet.NONE;

    /**
     * Sessions that wait take turns: after so many chunk intervals one that is served steps back.
     */
    private static final int TURN_CHUNKS = 20;

    private static final long LEAST_TURN_MILLIS = 5_000;

    /** So many waiting sessions look for somebody to step back in one decision. */
    private static final int MOST_TURNS = 16;

    /** From so many placements on, workers are kept in a heap. */
    private static final int MANY = 8;

    private Fleet fleet;
    private PoolSettings pool;
    private final List<Action> actions = new ArrayList<>();

    // Per worker, by number: as it will be.
    private double[] load = new double[0];
    private int[] device = new int[0];
    private int[] held = new int[0];
    private boolean[] closed = new boolean[0];
    private boolean[] reserved = new boolean[0];

    // Per session, by number: the decision in which it was decided about.
    private int[] decided = new int[0];
    private int decision;
    private int moves;
    private boolean emptying;
    private int[] queue = new int[16];
    private int[] here = new int[16];

    /** Open workers, the least loaded on top, while many sessions are placed. */
    private int[] heap = new int[0];

    private int[] rank = new int[0];
    private int heapSize;
    private boolean heaped;

    /** No worker has room for a session of this weight. */
    private double noRoomFor;

    private int turns;
    private int lowest;

    /** The least weight among the sessions that are served. */
    private double lightest;

    private int[] chosen = new int[16];
    private final Reasons reasons = new Reasons();

    Plan plan(Fleet on) {
        begin(on);
        Autoscaler.Target target = Autoscaler.target(fleet);
        int missing = scale(target.wanted());
        long wake = Autoscaler.wakeAt(fleet);
        wake = Math.min(wake, placeWaiting());
        relieve();
        empty();
        balance();
        wake = Math.min(wake, suspendIdle());
        if (missing > 0) {
            actions.add(new Action.RequestWorkers(missing));
        }
        boolean limited =
                pool.mode() != PoolSettings.Mode.MANUAL && target.unlimited() > pool.maxWorkers();
        return new Plan(
                target.wanted(),
                limited,
                actions,
                reasons.of(fleet, target),
                wake,
                Math.max(target.wanted(), target.unlimited()));
    }

    private void begin(Fleet on) {
        fleet = on;
        pool = on.pool();
        actions.clear();
        givenBack.clear();
        decision++;
        moves = fleet.moving();
        emptying = false;
        if (load.length < fleet.workerNumbers()) {
            int n = Math.max(2 * load.length, fleet.workerNumbers());
            load = new double[n];
            device = new int[n];
            held = new int[n];
            closed = new boolean[n];
            reserved = new boolean[n];
        }
        if (decided.length < fleet.sessionNumbers()) {
            decided = Arrays.copyOf(decided, Math.max(2 * decided.length, fleet.sessionNumbers()));
        }
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            load[w] = fleet.load(w);
            device[w] = fleet.onDevice(w);
            held[w] = fleet.held(w);
            closed[w] = !fleet.open(w);
            reserved[w] = false;
            emptying |= fleet.phase(w) == Phase.DRAINING || fleet.mustEmpty(w);
        }
        if (fleet.lonely() > 0) {
            for (int s = 0; s < fleet.sessionNumbers(); s++) {
                if (fleet.session(s)
                        && fleet.alone(s)
                        && fleet.active(s)
                        && fleet.workerOf(s) != NONE
                        && fleet.at(s) != At.HOST) {
                    reserved[fleet.workerOf(s)] = true;
                }
            }
        }
    }

    // ---- scaling

    /** Chooses whom to give back; the number of workers to ask for. */
    private int scale(int wanted) {
        double room = 0;
        int staying = 0;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (fleet.stays(w)) {
                room += fleet.capacity(w);
                staying++;
            }
        }
        double goal = (double) wanted * pool.capacity();
        if (pool.mode() == PoolSettings.Mode.MANUAL || uniform()) {
            room = (double) staying * pool.capacity();
        }
        if (room < goal) {
            return (int) Math.ceil((goal - room) / pool.capacity() - 1e-9);
        }
        double surplus = room - goal;
        while (surplus >= 1) {
            double freed =
                    pool.economy().workersPerNode() > 1 ? closeNode(surplus) : closeOne(surplus);
            if (freed <= 0) {
                break;
            }
            surplus -= freed;
        }
        return 0;
    }

    private boolean uniform() {
        for (int i = 0; i < fleet.workers(); i++) {
            if (fleet.capacity(fleet.worker(i)) != pool.capacity()) {
                return false;
            }
        }
        return true;
    }

    private double weightOf(int w) {
        return pool.mode() == PoolSettings.Mode.MANUAL ? pool.capacity() : fleet.capacity(w);
    }

    private double closeOne(double surplus) {
        int best = NONE;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (fleet.stays(w)
                    && !given(w)
                    && weightOf(w) <= surplus
                    && (best == NONE || rather(w, best))) {
                best = w;
            }
        }
        if (best == NONE || !mayGo(best)) {
            return 0;
        }
        giveUp(best);
        return weightOf(best);
    }

    /** Whether one worker is given back before another. */
    private boolean rather(int a, int b) {
        boolean readyA = fleet.phase(a) == Phase.READY;
        boolean readyB = fleet.phase(b) == Phase.READY;
        if (readyA != readyB) {
            return !readyA;
        }
        if (!readyA) {
            // The one asked for last is furthest from being of use.
            return fleet.requestedAt(a) >= fleet.requestedAt(b);
        }
        if (load[a] != load[b]) {
            return load[a] < load[b];
        }
        if (held[a] != held[b]) {
            return held[a] < held[b];
        }
        if (held[a] == 0 && fleet.emptySince(a) != fleet.emptySince(b)) {
            // Who fell empty last is used again first.
            return fleet.emptySince(a) < fleet.emptySince(b);
        }
        return fleet.readyAt(a) > fleet.readyAt(b);
    }

    private boolean given(int w) {
        return fleet.phase(w) == Phase.READY && closed[w] && fleet.open(w) || givenBack.contains(w);
    }

    private final Numbers givenBack = new Numbers();

    /** A busy worker goes only when what it serves finds room, or may wait. */
    private boolean mayGo(int w) {
        if (load[w] == 0 || pool.mode() == PoolSettings.Mode.MANUAL) {
            return true;
        }
        if (!pool.migration()) {
            return false;
        }
        double room = 0;
        for (int i = 0; i < fleet.workers(); i++) {
            int v = fleet.worker(i);
            if (v != w && !closed[v]) {
                room += Math.max(0, fleet.capacity(v) - load[v]);
            }
        }
        return room >= load[w] || Autoscaler.predicts(fleet);
    }

    private void giveUp(int w) {
        if (fleet.phase(w) == Phase.READY || fleet.held(w) > 0) {
            closed[w] = true;
            emptying = true;
            if (fleet.held(w) > 0) {
                actions.add(new Action.DrainWorker(fleet.workerName(w)));
            } else {
                givenBack.add(w);
                actions.add(new Action.ReleaseWorker(fleet.workerName(w)));
            }
        } else {
            givenBack.add(w);
            closed[w] = true;
            actions.add(new Action.ReleaseWorker(fleet.workerName(w)));
        }
    }

    /** With billing by node only a whole node saves anything. */
    private double closeNode(double surplus) {
        String best = null;
        double bestLoad = 0;
        double bestRoom = 0;
        for (int i = 0; i < fleet.workers(); i++) {
            int first = fleet.worker(i);
            String node = fleet.node(first);
            if (!fleet.stays(first) || given(first) || node.equals(best)) {
                continue;
            }
            double itsLoad = 0;
            double itsRoom = 0;
            for (int j = 0; j < fleet.workers(); j++) {
                int w = fleet.worker(j);
                if (same(node, first, w) && fleet.stays(w)) {
                    itsLoad += load[w];
                    itsRoom += weightOf(w);
                }
            }
            if (itsRoom <= surplus && (best == null || itsLoad < bestLoad)) {
                best = node.isEmpty() ? fleet.workerName(first) : node;
                bestLoad = itsLoad;
                bestRoom = itsRoom;
            }
        }
        if (best == null) {
            return 0;
        }
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            boolean inIt =
                    fleet.node(w).isEmpty()
                            ? fleet.workerName(w).equals(best)
                            : fleet.node(w).equals(best);
            if (inIt && fleet.stays(w)) {
                giveUp(w);
            }
        }
        return bestRoom;
    }

    private boolean same(String node, int first, int w) {
        return node.isEmpty() ? w == first : node.equals(fleet.node(w));
    }

    // ---- placing

    /** Gives waiting sessions room; when to look again. */
    private long placeWaiting() {
        int n = fleet.waiting();
        if (n == 0) {
            return Long.MAX_VALUE;
        }
        if (queue.length < n) {
            queue = new int[2 * n];
        }
        int m = 0;
        for (int i = 0; i < n; i++) {
            int s = fleet.waiting(i);
            if (!fleet.busy(s) && !frozen(s)) {
                queue[m++] = s;
            }
        }
        sort(queue, m);
        long wake = Long.MAX_VALUE;
        int left = 0;
        heaped = m >= MANY && uniform();
        if (heaped) {
            heapWorkers();
        }
        noRoomFor = Double.POSITIVE_INFINITY;
        for (int i = 0; i < m; i++) {
            if (!give(queue[i])) {
                queue[left++] = queue[i];
            }
        }
        heaped = false;
        turns = 0;
        lowest = left == 0 ? 0 : lowestServed();
        for (int i = 0; i < left; i++) {
            wake = Math.min(wake, stepBack(queue[i]));
        }
        return wake;
    }

    /** The lowest priority among the sessions that are served. */
    private int lowestServed() {
        int least = Integer.MAX_VALUE;
        lightest = Double.POSITIVE_INFINITY;
        for (int i = 0; i < fleet.workers(); i++) {
            for (int s = fleet.firstOn(fleet.worker(i)); s != NONE; s = fleet.nextOn(s)) {
                if (fleet.at(s) == At.DEVICE && fleet.demands(s)) {
                    least = Math.min(least, fleet.priority(s));
                    lightest = Math.min(lightest, fleet.weight(s));
                }
            }
        }
        return least;
    }

    // ---- open workers by load, for many placements at once

    private void heapWorkers() {
        if (heap.length < fleet.workers()) {
            heap = new int[2 * fleet.workers()];
            rank = new int[Math.max(rank.length, load.length)];
        }
        if (rank.length < load.length) {
            rank = new int[load.length];
        }
        heapSize = 0;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (!closed[w] && !reserved[w]) {
                rank[w] = i;
                heap[heapSize++] = w;
            }
        }
        for (int i = heapSize / 2 - 1; i >= 0; i--) {
            sink(i);
        }
    }

    private boolean above(int a, int b) {
        if (load[a] != load[b]) {
            return load[a] < load[b];
        }
        if (device[a] != device[b]) {
            return device[a] < device[b];
        }
        if (fleet.readyAt(a) != fleet.readyAt(b)) {
            return fleet.readyAt(a) < fleet.readyAt(b);
        }
        return rank[a] < rank[b];
    }

    private void sink(int i) {
        int w = heap[i];
        while (2 * i + 1 < heapSize) {
            int child = 2 * i + 1;
            if (child + 1 < heapSize && above(heap[child + 1], heap[child])) {
                child++;
            }
            if (!above(heap[child], w)) {
                break;
            }
            heap[i] = heap[child];
            i = child;
        }
        heap[i] = w;
    }

    /** Its state lies in the memory of a worker that does not answer. */
    private boolean frozen(int s) {
        int w = fleet.workerOf(s);
        return w != NONE && fleet.phase(w) == Phase.UNKNOWN;
    }

    /** Higher priority first, then who waits longest, then who was opened first. */
    private boolean before(int a, int b) {
        if (fleet.priority(a) != fleet.priority(b)) {
            return fleet.priority(a) > fleet.priority(b);
        }
        if (fleet.waitingSince(a) != fleet.waitingSince(b)) {
            return fleet.waitingSince(a) < fleet.waitingSince(b);
        }
        return fleet.opened(a) < fleet.opened(b);
    }

    private void sort(int[] list, int n) {
        if (n > 32) {
            Integer[] boxed = new Integer[n];
            for (int i = 0; i < n; i++) {
                boxed[i] = list[i];
            }
            Arrays.sort(boxed, (a, b) -> a.equals(b) ? 0 : before(a, b) ? -1 : 1);
            for (int i = 0; i < n; i++) {
                list[i] = boxed[i];
            }
            return;
        }
        for (int i = 1; i < n; i++) {
            int s = list[i];
            int j = i;
            while (j > 0 && before(s, list[j - 1])) {
                list[j] = list[j - 1];
                j--;
            }
            list[j] = s;
        }
    }

    private boolean give(int s) {
        int home = fleet.workerOf(s);
        if (fleet.weight(s) >= noRoomFor) {
            return false;
        }
        int best;
        boolean fromTop =
                heaped && heapSize > 0 && home == NONE && !fleet.alone(s) && fits(heap[0], s);
        if (fromTop) {
            best = heap[0];
        } else {
            best = leastLoaded(s, home);
        }
        if (best == NONE) {
            if (makeRoom(s)) {
                return true;
            }
            if (!fleet.alone(s)) {
                noRoomFor = Math.min(noRoomFor, fleet.weight(s));
            }
            return false;
        }
        // Its state is there: another worker must be better by a whole session.
        if (home != NONE && fits(home, s) && relative(home) < relative(best) + share(best)) {
            best = home;
        }
        decided[s] = decision;
        if (home == NONE) {
            actions.add(new Action.Place(fleet.uid(s), fleet.workerName(best)));
        } else if (best == home) {
            actions.add(new Action.Resume(fleet.uid(s), fleet.workerName(home)));
            held[home]--;
        } else {
            if (moves >= pool.maxMoves()) {
                decided[s] = 0;
                return false;
            }
            actions.add(
                    new Action.Move(fleet.uid(s), fleet.workerName(home), fleet.workerName(best)));
            moves++;
        }
        take(best, s);
        if (fromTop) {
            sink(0);
        } else if (heaped) {
            heapWorkers();
        }
        return true;
    }

    private void take(int w, int s) {
        held[w]++;
        device[w]++;
        load[w] += fleet.weight(s);
        reserved[w] |= fleet.alone(s);
    }

    private void leave(int w, int s) {
        load[w] -= fleet.weight(s);
        device[w]--;
    }

    private boolean fits(int w, int s) {
        return device[w] < fleet.slots(w) && hasRoom(w, s);
    }

    private boolean hasRoom(int w, int s) {
        return !closed[w]
                && !reserved[w]
                && !(fleet.alone(s) && device[w] > 0)
                && load[w] + fleet.weight(s) <= fleet.capacity(w) + 1e-9;
    }

    /** Load as a share of what the worker carries. */
    private double relative(int w) {
        return load[w] / fleet.capacity(w);
    }

    private double share(int w) {
        return 1.0 / fleet.capacity(w);
    }

    private int leastLoaded(int s, int preferred) {
        int best = NONE;
        double least = 0;
        double weight = fleet.weight(s);
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (closed[w] || !fits(w, s)) {
                continue;
            }
            double after = (load[w] + weight) / fleet.capacity(w);
            if (best == NONE
                    || after < least - 1e-9
                    || after <= least + 1e-9 && sooner(w, best, preferred)) {
                best = w;
                least = after;
            }
        }
        return best;
    }

    private boolean sooner(int w, int best, int preferred) {
        if (w == preferred || best == preferred) {
            return w == preferred;
        }
        if (device[w] != device[best]) {
            return device[w] < device[best];
        }
        return fleet.readyAt(w) < fleet.readyAt(best);
    }

    /**
     * No worker can take it as it is. An idle session's state goes to host memory where that is
     * what is in the way; else a session of lower priority steps back.
     *
     * @return false: it goes on waiting. The room is used by the next decision, when it is there.
     */
    private boolean makeRoom(int s) {
        int full = NONE;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (hasRoom(w, s)
                    && !(fleet.alone(s) && load[w] > 0)
                    && (full == NONE || relative(w) < relative(full))) {
                full = w;
            }
        }
        if (full != NONE) {
            int idle = longestIdle(full);
            if (idle != NONE) {
                suspend(idle, full);
                return true;
            }
        }
        return false;
    }

    private int longestIdle(int w) {
        int best = NONE;
        for (int s = fleet.firstOn(w); s != NONE; s = fleet.nextOn(s)) {
            if (fleet.at(s) == At.DEVICE
                    && !fleet.demands(s)
                    && !fleet.busy(s)
                    && decided[s] != decision
                    && (best == NONE
                            || fleet.idleSince(s) < fleet.idleSince(best)
                            || fleet.idleSince(s) == fleet.idleSince(best)
                                    && fleet.opened(s) < fleet.opened(best))) {
                best = s;
            }
        }
        return best;
    }

    private void suspend(int s, int w) {
        actions.add(new Action.Suspend(fleet.uid(s), fleet.workerName(w)));
        decided[s] = decision;
        device[w]--;
        if (fleet.demands(s)) {
            load[w] -= fleet.weight(s);
        }
    }

    /**
     * A session that cannot be served gets the place of one of lower priority at once, or of an
     * equal one when it has waited for a turn.
     *
     * @return when its turn comes
     */
    private long stepBack(int s) {
        if (decided[s] == decision || fleet.alone(s)) {
            return Long.MAX_VALUE;
        }
        long turn = fleet.waitingSince(s) + turnMillis();
        boolean itsTurn = fleet.now() >= turn;
        if (!itsTurn && fleet.priority(s) <= lowest) {
            return turn;
        }
        if (++turns > MOST_TURNS) {
            return fleet.now() + LEAST_TURN_MILLIS;
        }
        int victim = NONE;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (closed[w]) {
                continue;
            }
            for (int v = fleet.firstOn(w); v != NONE; v = fleet.nextOn(v)) {
                if (fleet.weight(v) + 1e-9 >= fleet.weight(s)
                        && mustYield(v, s, itsTurn)
                        && (victim == NONE || givesWay(v, victim))) {
                    victim = v;
                }
            }
        }
        if (victim == NONE && fleet.weight(s) > lightest && severalYield(s, itsTurn)) {
            return Long.MAX_VALUE;
        }
        if (victim != NONE) {
            suspend(victim, fleet.workerOf(victim));
            return Long.MAX_VALUE;
        }
        return itsTurn ? fleet.now() + turnMillis() : turn;
    }

    /** Whether a session that is served has to make way for one that waits. */
    private boolean mustYield(int v, int s, boolean itsTurn) {
        if (fleet.at(v) != At.DEVICE
                || !fleet.demands(v)
                || fleet.busy(v)
                || decided[v] == decision) {
            return false;
        }
        // Who has been served for a turn itself steps back; longest served first.
        return fleet.priority(v) < fleet.priority(s)
                || itsTurn
                        && fleet.priority(v) == fleet.priority(s)
                        && fleet.waitingSince(v) + turnMillis() <= fleet.now();
    }

    /** A heavy session takes the place of several lighter ones, on the worker with the fewest. */
    private boolean severalYield(int s, boolean itsTurn) {
        int best = NONE;
        int fewest = Integer.MAX_VALUE;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (closed[w] || reserved[w]) {
                continue;
            }
            int n = yielding(w, s, itsTurn);
            if (n > 0
                    && (n < fewest
                            || n == fewest
                                    && givesWay(chosen[0], firstYielding(best, s, itsTurn)))) {
                best = w;
                fewest = n;
            }
        }
        if (best == NONE) {
            return false;
        }
        int n = yielding(best, s, itsTurn);
        for (int i = 0; i < n; i++) {
            suspend(chosen[i], best);
        }
        return true;
    }

    private int firstYielding(int w, int s, boolean itsTurn) {
        int first = NONE;
        for (int v = fleet.firstOn(w); v != NONE; v = fleet.nextOn(v)) {
            if (mustYield(v, s, itsTurn) && (first == NONE || givesWay(v, first))) {
                first = v;
            }
        }
        return first;
    }

    /**
     * The sessions on a worker that would have to go for another one to fit, into {@code chosen};
     * how many, 0 when it would not fit even so.
     */
    private int yielding(int w, int s, boolean itsTurn) {
        double needed = load[w] + fleet.weight(s) - fleet.capacity(w);
        int n = 0;
        while (needed > 1e-9) {
            int next = NONE;
            for (int v = fleet.firstOn(w); v != NONE; v = fleet.nextOn(v)) {
                if (mustYield(v, s, itsTurn)
                        && !taken(v, n)
                        && (next == NONE || givesWay(v, next))) {
                    next = v;
                }
            }
            if (next == NONE) {
                return 0;
            }
            if (n == chosen.length) {
                chosen = Arrays.copyOf(chosen, 2 * n);
            }
            chosen[n++] = next;
            needed -= fleet.weight(next);
        }
        return n;
    }

    private boolean taken(int v, int n) {
        for (int i = 0; i < n; i++) {
            if (chosen[i] == v) {
                return true;
            }
        }
        return false;
    }

    private boolean givesWay(int a, int b) {
        if (fleet.priority(a) != fleet.priority(b)) {
            return fleet.priority(a) < fleet.priority(b);
        }
        if (fleet.waitingSince(a) != fleet.waitingSince(b)) {
            return fleet.waitingSince(a) < fleet.waitingSince(b);
        }
        return fleet.opened(a) < fleet.opened(b);
    }

    private long turnMillis() {
        return Math.max(LEAST_TURN_MILLIS, TURN_CHUNKS * pool.chunkIntervalMillis());
    }

    // ---- workers with too much

    /**
     * Sessions that woke on a full worker go where there is room. Where there is none one waits, so
     * that the others are on time.
     */
    private void relieve() {
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            while (fleet.open(w) && !closed[w] && load[w] > fleet.capacity(w) + 1e-9) {
                int s = excess(w);
                if (s == NONE) {
                    break;
                }
                int to = pool.migration() && moves < pool.maxMoves() ? leastLoaded(s, NONE) : NONE;
                if (to == NONE) {
                    suspend(s, w);
                } else {
                    moveTo(s, w, to);
                }
            }
        }
    }

    private void moveTo(int s, int from, int to) {
        actions.add(new Action.Move(fleet.uid(s), fleet.workerName(from), fleet.workerName(to)));
        decided[s] = decision;
        moves++;
        if (fleet.demands(s)) {
            load[from] -= fleet.weight(s);
            load[to] += fleet.weight(s);
        }
        device[from]--;
        held[to]++;
        device[to]++;
        reserved[to] |= fleet.alone(s);
    }

    /** Of the sessions a worker serves, the one to go: lowest priority, then who came last. */
    private int excess(int w) {
        int best = NONE;
        for (int s = fleet.firstOn(w); s != NONE; s = fleet.nextOn(s)) {
            if (fleet.at(s) == At.DEVICE
                    && fleet.demands(s)
                    && !fleet.busy(s)
                    && decided[s] != decision
                    && (best == NONE || before(best, s))) {
                best = s;
            }
        }
        return best;
    }

    // ---- emptying

    private void empty() {
        if (!emptying) {
            return;
        }
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            boolean drains = fleet.phase(w) == Phase.DRAINING;
            boolean must = fleet.mustEmpty(w) && fleet.phase(w) == Phase.READY;
            boolean closing = fleet.open(w) && closed[w] && !givenBack.contains(w);
            if (must) {
                actions.add(new Action.DrainWorker(fleet.workerName(w)));
            }
            if (drains && fleet.held(w) == 0) {
                actions.add(new Action.ReleaseWorker(fleet.workerName(w)));
            } else if (drains || must || closing) {
                clear(w);
            }
        }
    }

    private void clear(int w) {
        int n = gather(w);
        for (int i = 0; i < n; i++) {
            int s = here[i];
            if (fleet.busy(s) || decided[s] == decision) {
                continue;
            }
            switch (fleet.at(s)) {
                case DEVICE -> {
                    if (moves >= pool.maxMoves()) {
                        continue;
                    }
                    int to =
                            fleet.demands(s)
                                    ? leastLoaded(s, NONE)
                                    : fleet.active(s) ? roomiest(s) : NONE;
                    boolean waits = fleet.mustEmpty(w) && pool.migration();
                    if (to != NONE) {
                        moveTo(s, w, to);
                    } else if (!fleet.demands(s) && !waits || gives(w)) {
                        // Its log holds all that is needed; it waits for its turn.
                        actions.add(new Action.Release(fleet.uid(s), fleet.workerName(w)));
                        decided[s] = decision;
                    }
                }
                case HOST -> {
                    boolean must = fleet.mustEmpty(w);
                    // What somebody has suspended is kept; of who only idles the log is enough
                    // where there is no room at once and nobody takes the worker away.
                    boolean waits = (must || !fleet.active(s)) && pool.migration();
                    boolean may = pool.migration() && moves < pool.maxMoves();
                    int to = may ? roomiest(s) : NONE;
                    if (to != NONE && !fleet.demands(s)) {
                        moveTo(s, w, to);
                    } else if (waits && !fleet.demands(s)) {
                        // Whoever empties the worker knows how long that may wait.
                        continue;
                    } else {
                        actions.add(new Action.Release(fleet.uid(s), fleet.workerName(w)));
                        decided[s] = decision;
                    }
                }
                case MOVING, STORE -> {}
            }
        }
    }

    /** The sessions a worker holds, in the order in which they were opened; how many. */
    private int gather(int w) {
        int n = 0;
        for (int s = fleet.firstOn(w); s != NONE; s = fleet.nextOn(s)) {
            if (n == here.length) {
                here = Arrays.copyOf(here, 2 * n);
            }
            int j = n++;
            while (j > 0 && fleet.opened(here[j - 1]) > fleet.opened(s)) {
                here[j] = here[j - 1];
                j--;
            }
            here[j] = s;
        }
        return n;
    }

    /** Whether a worker is given back although what it serves must wait then. */
    private boolean gives(int w) {
        // For one that goes for reasons from outside, another one is on its way.
        return !fleet.mustEmpty(w)
                && (pool.mode() == PoolSettings.Mode.MANUAL || Autoscaler.predicts(fleet));
    }

    /** The open worker with the most device memory left for an idle session, or none. */
    private int roomiest(int s) {
        int best = NONE;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            // One slot stays free for a session that wakes.
            if (!closed[w]
                    && !reserved[w]
                    && !fleet.alone(s)
                    && device[w] + 1 < fleet.slots(w)
                    && (best == NONE || device[w] < device[best])) {
                best = w;
            }
        }
        return best;
    }

    // ---- balance

    /**
     * While the most loaded worker has more than one session above the average, one goes to the
     * least loaded. Not while a worker empties or sessions wait: that changes the loads anyhow.
     */
    private void balance() {
        if (emptying || !pool.migration() || fleet.waiting() > 0) {
            return;
        }
        while (moves < pool.maxMoves()) {
            int most = NONE;
            double sum = 0;
            double room = 0;
            for (int i = 0; i < fleet.workers(); i++) {
                int w = fleet.worker(i);
                if (closed[w]) {
                    continue;
                }
                sum += load[w];
                room += fleet.capacity(w);
                if (most == NONE || relative(w) > relative(most)) {
                    most = w;
                }
            }
            if (most == NONE || load[most] <= sum / room * fleet.capacity(most) + 1) {
                return;
            }
            int s = excess(most);
            int to = s == NONE ? NONE : leastLoaded(s, NONE);
            if (to == NONE || to == most || !worth(s, most, to)) {
                return;
            }
            moveTo(s, most, to);
        }
    }

    /** Whether the latency saved in a minute outweighs what the move costs the session. */
    private boolean worth(int s, int from, int to) {
        double now = latency(load[from]);
        double then =
                Math.max(
                        latency(load[from] - fleet.weight(s)), latency(load[to] + fleet.weight(s)));
        double saved = now - then;
        double chunks = 60_000.0 / Math.max(100, pool.chunkIntervalMillis());
        return saved * chunks > pool.state().moveMillis();
    }

    private double latency(double sessions) {
        return pool.latency() != null
                ? pool.latency().at(sessions)
                : pool.latencyTargetMillis() * sessions / pool.capacity();
    }

    // ---- idle sessions

    /** Idle sessions give their device memory back after the pool's idle time-out. */
    private long suspendIdle() {
        long wake = Long.MAX_VALUE;
        for (int i = 0; i < fleet.workers(); i++) {
            int w = fleet.worker(i);
            if (fleet.phase(w) != Phase.READY || fleet.onDevice(w) == fleet.demanding(w)) {
                continue;
            }
            int n = gather(w);
            for (int j = 0; j < n; j++) {
                int s = here[j];
                if (fleet.at(s) != At.DEVICE || fleet.demands(s) || fleet.busy(s)) {
                    continue;
                }
                if (fleet.active(s) && pool.idleTimeoutMillis() <= 0) {
                    continue;
                }
                long due =
                        fleet.active(s)
                                ? fleet.idleSince(s) + pool.idleTimeoutMillis()
                                : fleet.now();
                if (due <= fleet.now()) {
                    if (decided[s] != decision) {
                        suspend(s, w);
                    }
                } else {
                    wake = Math.min(wake, due);
                }
            }
        }
        return wake;
    }

    /** A handful of worker numbers. */
    private static final class Numbers {
        private int[] list = new int[8];
        private int count;

        void clear() {
            count = 0;
        }

        void add(int w) {
            if (count == list.length) {
                list = Arrays.copyOf(list, 2 * count);
            }
            list[count++] = w;
        }

        boolean contains(int w) {
            for (int i = 0; i < count; i++) {
                if (list[i] == w) {
                    return true;
                }
            }
            return false;
        }
    }
}
