package io.reelfleet.scheduler;

import io.reelfleet.scheduler.SessionSnapshot.Place;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The compact form of a {@link FleetSnapshot}: arrays that whoever runs a fleet keeps up to date
 * event by event, so that a decision costs no rebuilding. Workers and sessions are small numbers
 * while they are known; the numbers of those that left are used again. For one thread.
 *
 * <p>It also keeps account of lateness in the fluid model of the comparison: a session that wants
 * chunks is late while no ready worker has it on its device, or while its worker has more load than
 * its capacity.
 */
public final class Fleet {
    /** No worker, no session. */
    public static final int NONE = -1;

    /** Where a session's state is; see {@link Place}. */
    enum At {
        STORE,
        DEVICE,
        HOST,
        MOVING
    }

    private PoolSettings pool;
    private final Learner learner;
    private long now;

    // ---- workers, by number
    private int workerSlots;
    private String[] workerName = new String[16];
    private WorkerSnapshot.Phase[] phase = new WorkerSnapshot.Phase[16];
    private boolean[] mustEmpty = new boolean[16];
    private long[] deviceBytesLimit = new long[16];
    private long[] sessionBytes = new long[16];
    private long[] requestedAt = new long[16];
    private long[] readyAt = new long[16];
    private long[] emptySince = new long[16];
    private double[] p99 = new double[16];
    private String[] node = new String[16];
    private int[] ownCapacity = new int[16];
    private double[] load = new double[16];
    private int[] demanding = new int[16];
    private int[] onDevice = new int[16];
    private int[] held = new int[16];
    private int[] firstOn = new int[16];

    /** Numbers of the workers, in the order of their requests. */
    private int[] workers = new int[16];

    private int workerCount;

    // ---- sessions, by number
    private int sessionSlots;
    private String[] uid = new String[64];
    private boolean[] active = new boolean[64];
    private boolean[] wants = new boolean[64];
    private int[] priority = new int[64];
    private double[] weight = new double[64];
    private long[] waitingSince = new long[64];
    private long[] idleSince = new long[64];
    private long[] opened = new long[64];
    private At[] at = new At[64];
    private int[] worker = new int[64];
    private int[] source = new int[64];
    private boolean[] busy = new boolean[64];
    private boolean[] alone = new boolean[64];
    private int[] next = new int[64];
    private int[] previous = new int[64];

    /** Sessions that want chunks and are on no device, in no order. */
    private int[] waiting = new int[16];

    private int[] waitingIndex = new int[64];
    private int waitingCount;

    private int sessionCount;
    private long openings;
    private int[] freeSessions = new int[16];
    private int freeSessionCount;
    private int[] freeWorkers = new int[16];
    private int freeWorkerCount;
    private final Map<String, Integer> workerNumbers = new HashMap<>();
    private final Map<String, Integer> sessionNumbers = new HashMap<>();

    // ---- accounts
    private double demand;
    private int demandCount;
    private int lateCount;
    private int moving;
    private int lonely;
    private double dueSeconds;
    private double lateSeconds;
    private Outlook outlook = Outlook.NONE;

    /** {@code lastAtLeast[n]}: when the demand was last n or more; sorted, newest first. */
    private long[] lastAtLeast = new long[16];

    private int highest;

    /** An empty fleet. */
    public Fleet(PoolSettings pool, Learner learner) {
        this.pool = pool;
        this.learner = learner;
        Arrays.fill(lastAtLeast, Long.MIN_VALUE);
    }

    /** An empty fleet of which nothing is learned. */
    public Fleet(PoolSettings pool) {
        this(pool, Learner.NONE);
    }

    // ---- time

    /** Lets time pass until an instant, before what happens then is told. */
    public void advance(long nowMillis) {
        if (nowMillis < now) {
            throw new IllegalArgumentException("time goes back from " + now + " to " + nowMillis);
        }
        double seconds = (nowMillis - now) / 1000.0;
        dueSeconds += demandCount * seconds;
        lateSeconds += lateCount * seconds;
        now = nowMillis;
    }

    /** Tells the learner what there is now; call it before {@link Policy#decide(Fleet)}. */
    public void observe() {
        outlook = learner.observe(now, demand, dueSeconds, lateSeconds);
    }

    /**
     * Puts measured lateness in the place of the fluid model's: session-seconds since the start.
     */
    public void lateness(double due, double late) {
        dueSeconds = due;
        lateSeconds = late;
    }

    /** New settings. */
    public void settings(PoolSettings settings) {
        pool = settings;
        lateCount = 0;
        for (int i = 0; i < workerCount; i++) {
            lateCount += lateOn(workers[i]);
        }
        lateCount += waitingCount;
    }

    // ---- what happens to workers

    /** A worker has been asked for; the number it goes by. */
    public int request(String name) {
        int w = freeWorkerCount > 0 ? freeWorkers[--freeWorkerCount] : workerSlots++;
        if (w >= workerName.length) {
            growWorkers();
        }
        workerName[w] = name;
        phase[w] = WorkerSnapshot.Phase.REQUESTED;
        mustEmpty[w] = false;
        deviceBytesLimit[w] = 0;
        sessionBytes[w] = 0;
        requestedAt[w] = now;
        readyAt[w] = 0;
        emptySince[w] = now;
        p99[w] = 0;
        node[w] = "";
        ownCapacity[w] = 0;
        load[w] = 0;
        demanding[w] = 0;
        onDevice[w] = 0;
        held[w] = 0;
        firstOn[w] = NONE;
        workerNumbers.put(name, w);
        if (workerCount == workers.length) {
            workers = Arrays.copyOf(workers, 2 * workerCount);
        }
        workers[workerCount++] = w;
        return w;
    }

    /** A worker can take sessions. */
    public void ready(int w) {
        phase(w, WorkerSnapshot.Phase.READY);
        readyAt[w] = now;
        emptySince[w] = now;
    }

    /** A worker's phase has changed. */
    public void phase(int w, WorkerSnapshot.Phase to) {
        lateCount -= lateOn(w);
        phase[w] = to;
        lateCount += lateOn(w);
    }

    /** What is known of a worker's device; see {@link WorkerSnapshot}. */
    public void device(int w, long bytesLimit, long bytesPerSession, int capacity, String inNode) {
        lateCount -= lateOn(w);
        deviceBytesLimit[w] = bytesLimit;
        sessionBytes[w] = bytesPerSession;
        ownCapacity[w] = capacity;
        node[w] = inNode;
        lateCount += lateOn(w);
    }

    /** Something outside wants a worker empty, or no longer. */
    public void mustEmpty(int w, boolean must) {
        mustEmpty[w] = must;
    }

    /** A worker is gone; what it held is in the store alone. */
    public void gone(int w) {
        while (firstOn[w] != NONE) {
            place(firstOn[w], At.STORE, NONE, NONE);
        }
        if (held[w] > 0) {
            // Sources of moves under way.
            for (int s = 0; s < sessionSlots; s++) {
                if (uid[s] != null && at[s] == At.MOVING && source[s] == w) {
                    source[s] = NONE;
                }
            }
        }
        workerNumbers.remove(workerName[w]);
        workerName[w] = null;
        int i = 0;
        while (workers[i] != w) {
            i++;
        }
        System.arraycopy(workers, i + 1, workers, i, workerCount - i - 1);
        workerCount--;
        if (freeWorkerCount == freeWorkers.length) {
            freeWorkers = Arrays.copyOf(freeWorkers, 2 * freeWorkerCount);
        }
        freeWorkers[freeWorkerCount++] = w;
    }

    // ---- what happens to sessions

    /** A session is opened: its owner wants it active, and its chunks are wanted at once or not. */
    public int open(String name, int itsPriority, double itsWeight, boolean wantsChunks) {
        int s = freeSessionCount > 0 ? freeSessions[--freeSessionCount] : sessionSlots++;
        if (s >= uid.length) {
            growSessions();
        }
        uid[s] = name;
        // Without a worker an active session is taken to want chunks; so idle means inactive here.
        active[s] = false;
        wants[s] = false;
        priority[s] = itsPriority;
        weight[s] = itsWeight;
        waitingSince[s] = now;
        idleSince[s] = now;
        opened[s] = ++openings;
        at[s] = At.STORE;
        worker[s] = NONE;
        source[s] = NONE;
        busy[s] = false;
        alone[s] = false;
        next[s] = NONE;
        previous[s] = NONE;
        waitingIndex[s] = NONE;
        sessionNumbers.put(name, s);
        sessionCount++;
        if (wantsChunks) {
            activate(s);
        }
        return s;
    }

    /** A session's chunks are wanted from now on. */
    public void activate(int s) {
        wanted(s, true, true);
    }

    /** A session's chunks are wanted no longer; it stays open. */
    public void deactivate(int s) {
        wanted(s, false, false);
    }

    /** What is wanted of a session; see {@link SessionSnapshot}. */
    public void wanted(int s, boolean isActive, boolean wantsChunks) {
        boolean before = demands(s);
        uncount(s);
        active[s] = isActive;
        wants[s] = wantsChunks;
        count(s);
        boolean after = demands(s);
        if (after && !before) {
            waitingSince[s] = now;
            idleSince[s] = 0;
        } else if (before && !after) {
            idleSince[s] = now;
        }
        levels();
    }

    /** A session is no more. */
    public void close(int s) {
        wanted(s, false, false);
        place(s, At.STORE, NONE, NONE);
        alone(s, false);
        sessionNumbers.remove(uid[s]);
        uid[s] = null;
        sessionCount--;
        if (freeSessionCount == freeSessions.length) {
            freeSessions = Arrays.copyOf(freeSessions, 2 * freeSessionCount);
        }
        freeSessions[freeSessionCount++] = s;
    }

    /** A session's state is on a worker's device from now on. */
    public void placed(int s, int on) {
        place(s, At.DEVICE, on, NONE);
    }

    /** A session's state is in the host memory of a worker. */
    public void parked(int s, int on) {
        place(s, At.HOST, on, NONE);
    }

    /** A session is on its way; its load counts where it goes to. */
    public void moves(int s, int from, int to) {
        place(s, At.MOVING, to, from);
    }

    /** A session's state is in the store alone; it waits when its chunks are wanted. */
    public void unplaced(int s) {
        place(s, At.STORE, NONE, NONE);
    }

    /** A command for a session is under way, or no longer. */
    public void busy(int s, boolean is) {
        busy[s] = is;
    }

    /** Workers died under a session: it must not share one. */
    public void alone(int s, boolean is) {
        lonely += (is ? 1 : 0) - (alone[s] ? 1 : 0);
        alone[s] = is;
    }

    private void place(int s, At to, int on, int from) {
        boolean before = demands(s);
        boolean served = before && (at[s] == At.DEVICE || at[s] == At.MOVING);
        uncount(s);
        unlink(s);
        if (at[s] == At.MOVING) {
            moving--;
        }
        at[s] = to;
        worker[s] = on;
        source[s] = from;
        if (to == At.MOVING) {
            moving++;
            if (from != NONE) {
                held[from]++;
                emptySince[from] = 0;
            }
        }
        link(s);
        count(s);
        boolean serves = demands(s) && (to == At.DEVICE || to == At.MOVING);
        if (demands(s) && serves != served) {
            waitingSince[s] = now;
        }
        if (demands(s) != before) {
            levels();
        }
    }

    private void link(int s) {
        int w = worker[s];
        if (w == NONE) {
            return;
        }
        previous[s] = NONE;
        next[s] = firstOn[w];
        if (firstOn[w] != NONE) {
            previous[firstOn[w]] = s;
        }
        firstOn[w] = s;
        held[w]++;
        emptySince[w] = 0;
    }

    private void unlink(int s) {
        int w = worker[s];
        if (w == NONE) {
            return;
        }
        if (previous[s] == NONE) {
            firstOn[w] = next[s];
        } else {
            next[previous[s]] = next[s];
        }
        if (next[s] != NONE) {
            previous[next[s]] = previous[s];
        }
        leave(w);
        if (source[s] != NONE) {
            leave(source[s]);
        }
    }

    private void leave(int w) {
        held[w]--;
        if (held[w] == 0) {
            emptySince[w] = now;
        }
    }

    /** Adds a session to the accounts of load and lateness. */
    private void count(int s) {
        boolean device = at[s] == At.DEVICE || at[s] == At.MOVING;
        if (device) {
            onDevice[worker[s]]++;
        }
        if (!demands(s)) {
            return;
        }
        demand += weight[s];
        demandCount++;
        if (device) {
            int w = worker[s];
            lateCount -= lateOn(w);
            load[w] += weight[s];
            demanding[w]++;
            lateCount += lateOn(w);
        } else {
            if (waitingCount == waiting.length) {
                waiting = Arrays.copyOf(waiting, 2 * waitingCount);
            }
            waitingIndex[s] = waitingCount;
            waiting[waitingCount++] = s;
            lateCount++;
        }
    }

    private void uncount(int s) {
        boolean device = at[s] == At.DEVICE || at[s] == At.MOVING;
        if (device) {
            onDevice[worker[s]]--;
        }
        if (!demands(s)) {
            return;
        }
        demandCount--;
        demand = demandCount == 0 ? 0 : demand - weight[s];
        if (device) {
            int w = worker[s];
            lateCount -= lateOn(w);
            demanding[w]--;
            load[w] = demanding[w] == 0 ? 0 : load[w] - weight[s];
            lateCount += lateOn(w);
        } else {
            int i = waitingIndex[s];
            int last = waiting[--waitingCount];
            waiting[i] = last;
            waitingIndex[last] = i;
            waitingIndex[s] = NONE;
            lateCount--;
        }
    }

    private int lateOn(int w) {
        boolean serves =
                phase[w] == WorkerSnapshot.Phase.READY || phase[w] == WorkerSnapshot.Phase.DRAINING;
        return serves && load[w] <= capacity(w) ? 0 : demanding[w];
    }

    /** Keeps {@link #lastAtLeast} true after a change of the demand. */
    private void levels() {
        int level = (int) Math.ceil(demand);
        if (level >= lastAtLeast.length) {
            int old = lastAtLeast.length;
            lastAtLeast = Arrays.copyOf(lastAtLeast, Math.max(2 * old, level + 1));
            Arrays.fill(lastAtLeast, old, lastAtLeast.length, Long.MIN_VALUE);
        }
        for (int n = highest; n > level; n--) {
            lastAtLeast[n] = now;
        }
        highest = level;
    }

    // ---- what there is

    /** The instant. */
    public long now() {
        return now;
    }

    /** What the pool's owner asked for. */
    public PoolSettings pool() {
        return pool;
    }

    /** What has been learned, as of the last {@link #observe}. */
    public Outlook outlook() {
        return outlook;
    }

    /** How many workers there are. */
    public int workers() {
        return workerCount;
    }

    /** The number of the i-th worker in the order of their requests. */
    public int worker(int i) {
        return workers[i];
    }

    /** The number of a worker, or {@link #NONE}. */
    public int workerNumber(String name) {
        return workerNumbers.getOrDefault(name, NONE);
    }

    /** The number of a session, or {@link #NONE}. */
    public int sessionNumber(String name) {
        return sessionNumbers.getOrDefault(name, NONE);
    }

    /** One more than the highest number of a session. */
    public int sessionNumbers() {
        return sessionSlots;
    }

    /** One more than the highest number of a worker. */
    public int workerNumbers() {
        return workerSlots;
    }

    /** Whether a number is a session's. */
    public boolean session(int s) {
        return uid[s] != null;
    }

    /** How many sessions are open. */
    public int sessions() {
        return sessionCount;
    }

    public String workerName(int w) {
        return workerName[w];
    }

    public WorkerSnapshot.Phase phase(int w) {
        return phase[w];
    }

    public boolean mustEmpty(int w) {
        return mustEmpty[w];
    }

    /** Whether sessions can be put on it now. */
    public boolean open(int w) {
        return phase[w] == WorkerSnapshot.Phase.READY && !mustEmpty[w];
    }

    /** Whether it counts among those that will serve from now on. */
    public boolean stays(int w) {
        return phase[w] != WorkerSnapshot.Phase.DRAINING && !mustEmpty[w];
    }

    /** The most ordinary sessions a worker carries inside the latency target. */
    public int capacity(int w) {
        return ownCapacity[w] > 0 ? ownCapacity[w] : pool.capacity();
    }

    /** The most sessions whose state its device memory holds. */
    public long slots(int w) {
        return deviceBytesLimit[w] <= 0 || sessionBytes[w] <= 0
                ? Long.MAX_VALUE
                : deviceBytesLimit[w] / sessionBytes[w];
    }

    public long requestedAt(int w) {
        return requestedAt[w];
    }

    public long readyAt(int w) {
        return readyAt[w];
    }

    /** Since when nothing is on it; 0 while something is. */
    public long emptySince(int w) {
        return emptySince[w];
    }

    public String node(int w) {
        return node[w];
    }

    /** Summed weight of the sessions on its device that want chunks. */
    public double load(int w) {
        return load[w];
    }

    /** Sessions on its device that want chunks. */
    public int demanding(int w) {
        return demanding[w];
    }

    /** Sessions whose state is on its device, or on its way there. */
    public int onDevice(int w) {
        return onDevice[w];
    }

    /** Sessions of which it holds anything. */
    public int held(int w) {
        return held[w];
    }

    /** The first of the sessions on a worker's device or in its host memory, or {@link #NONE}. */
    public int firstOn(int w) {
        return firstOn[w];
    }

    /** The next session on the same worker, or {@link #NONE}. */
    public int nextOn(int s) {
        return next[s];
    }

    public String uid(int s) {
        return uid[s];
    }

    public boolean active(int s) {
        return active[s];
    }

    public boolean wants(int s) {
        return wants[s];
    }

    /** Whether it counts as load: somebody waits for its chunks. */
    public boolean demands(int s) {
        return active[s] && (wants[s] || at[s] == At.STORE);
    }

    public int priority(int s) {
        return priority[s];
    }

    public double weight(int s) {
        return weight[s];
    }

    public long waitingSince(int s) {
        return waitingSince[s];
    }

    /** Since when it has wanted no chunks; 0 while it wants them. */
    public long idleSince(int s) {
        return idleSince[s];
    }

    /** Grows with each session that is opened. */
    public long opened(int s) {
        return opened[s];
    }

    At at(int s) {
        return at[s];
    }

    /** Whether its state is on a device. */
    public boolean onDeviceNow(int s) {
        return at[s] == At.DEVICE;
    }

    /** The worker its state is on, or on its way to; {@link #NONE} when in the store alone. */
    public int workerOf(int s) {
        return worker[s];
    }

    /** The worker it is moving away from, or {@link #NONE}. */
    public int sourceOf(int s) {
        return source[s];
    }

    public boolean busy(int s) {
        return busy[s];
    }

    public boolean alone(int s) {
        return alone[s];
    }

    /** How many sessions want chunks and are on no device. */
    public int waiting() {
        return waitingCount;
    }

    /** The i-th of them, in no order. */
    public int waiting(int i) {
        return waiting[i];
    }

    /** Sessions that must not share a worker. */
    int lonely() {
        return lonely;
    }

    /** Moves under way. */
    public int moving() {
        return moving;
    }

    /** Summed weight of the sessions that want chunks. */
    public double demand() {
        return demand;
    }

    /** Sessions that want chunks. */
    public int demandCount() {
        return demandCount;
    }

    /** Sessions that are late now. */
    public int lateCount() {
        return lateCount;
    }

    /** Session-seconds of video wanted so far. */
    public double dueSeconds() {
        return dueSeconds;
    }

    /** How many of those came late. */
    public double lateSeconds() {
        return lateSeconds;
    }

    /** The highest demand at any time since an instant. */
    public int peakSince(long fromMillis) {
        int n = highest;
        while (n + 1 < lastAtLeast.length && lastAtLeast[n + 1] >= fromMillis) {
            n++;
        }
        return n;
    }

    /** When the demand was last {@code level} or more; {@code now} when it is. */
    public long lastAtLeast(int level) {
        return level <= highest
                ? now
                : level < lastAtLeast.length ? lastAtLeast[level] : Long.MIN_VALUE;
    }

    // ---- the other form

    /** The same as an immutable snapshot. */
    public FleetSnapshot snapshot() {
        List<WorkerSnapshot> w = new ArrayList<>(workerCount);
        for (int i = 0; i < workerCount; i++) {
            int k = workers[i];
            w.add(
                    new WorkerSnapshot(
                            workerName[k],
                            phase[k],
                            mustEmpty[k],
                            deviceBytesLimit[k],
                            sessionBytes[k],
                            requestedAt[k],
                            readyAt[k],
                            emptySince[k],
                            p99[k],
                            node[k],
                            ownCapacity[k]));
        }
        Integer[] order = new Integer[sessionCount];
        int n = 0;
        for (int s = 0; s < sessionSlots; s++) {
            if (uid[s] != null) {
                order[n++] = s;
            }
        }
        Arrays.sort(order, (a, b) -> Long.compare(opened[a], opened[b]));
        List<SessionSnapshot> known = new ArrayList<>(sessionCount);
        for (int s : order) {
            known.add(
                    new SessionSnapshot(
                            uid[s],
                            active[s],
                            wants[s],
                            priority[s],
                            weight[s],
                            waitingSince[s],
                            idleSince[s],
                            where(s),
                            busy[s],
                            alone[s]));
        }
        return new FleetSnapshot(now, pool, w, known, history(), outlook);
    }

    private Place where(int s) {
        return switch (at[s]) {
            case STORE -> new Place.Store();
            case DEVICE -> new Place.Device(workerName[worker[s]]);
            case HOST -> new Place.Host(workerName[worker[s]]);
            case MOVING ->
                    new Place.Moving(
                            source[s] == NONE ? "" : workerName[source[s]], workerName[worker[s]]);
        };
    }

    /** What of the past matters for peaks: the falling staircase of later maxima. */
    private DemandHistory history() {
        List<DemandHistory.Step> steps = new ArrayList<>();
        for (int n = lastAtLeast.length - 1; n > highest; n--) {
            // The demand was n until lastAtLeast[n]; lower ever since.
            if (lastAtLeast[n] != Long.MIN_VALUE
                    && (n + 1 >= lastAtLeast.length || lastAtLeast[n + 1] != lastAtLeast[n])) {
                long from =
                        steps.isEmpty()
                                ? lastAtLeast[n] - 1
                                : Math.min(lastAtLeast[n], steps.getLast().atMillis());
                if (steps.isEmpty()) {
                    steps.add(new DemandHistory.Step(from, n));
                }
                int after = n - 1;
                while (after > highest && lastAtLeast[after] == lastAtLeast[n]) {
                    after--;
                }
                steps.add(new DemandHistory.Step(lastAtLeast[n], after));
            }
        }
        if (steps.isEmpty()) {
            steps.add(new DemandHistory.Step(now, highest));
        }
        return new DemandHistory(steps);
    }

    /** A snapshot in compact form; the same snapshot comes back from {@link #snapshot}. */
    public static Fleet of(FleetSnapshot snapshot) {
        Fleet f = new Fleet(snapshot.pool());
        f.outlook = snapshot.outlook();
        for (WorkerSnapshot w : snapshot.workers()) {
            int k = f.request(w.name());
            f.phase[k] = w.phase();
            f.mustEmpty[k] = w.mustEmpty();
            f.device(k, w.deviceBytesLimit(), w.sessionBytes(), w.capacity(), w.node());
            f.requestedAt[k] = w.requestedAtMillis();
            f.readyAt[k] = w.readyAtMillis();
            f.p99[k] = w.chunkLatencyP99Millis();
        }
        for (SessionSnapshot s : snapshot.sessions()) {
            int k = f.open(s.uid(), s.priority(), s.weight(), false);
            switch (s.place()) {
                case Place.Device(String on) -> f.put(k, At.DEVICE, on, "");
                case Place.Host(String on) -> f.put(k, At.HOST, on, "");
                case Place.Moving(String from, String to) -> f.put(k, At.MOVING, to, from);
                case Place.Store() -> {}
            }
            f.wanted(k, s.active(), s.wantsChunks());
            f.waitingSince[k] = s.waitingSinceMillis();
            f.idleSince[k] = s.idleSinceMillis();
            f.busy[k] = s.busy();
            f.alone(k, s.alone());
        }
        for (int i = 0; i < snapshot.workers().size(); i++) {
            f.emptySince[f.workers[i]] = snapshot.workers().get(i).emptySinceMillis();
        }
        f.remember(snapshot.demand(), snapshot.nowMillis());
        f.now = snapshot.nowMillis();
        return f;
    }

    private void put(int s, At to, String on, String from) {
        int w = workerNumber(on);
        if (w != NONE) {
            place(s, to, w, to == At.MOVING ? workerNumber(from) : NONE);
        }
    }

    private void remember(DemandHistory history, long until) {
        Arrays.fill(lastAtLeast, Long.MIN_VALUE);
        List<DemandHistory.Step> steps = history.steps();
        for (int i = 0; i < steps.size(); i++) {
            int n = steps.get(i).active();
            long end = i + 1 < steps.size() ? steps.get(i + 1).atMillis() : until;
            if (n >= lastAtLeast.length) {
                int old = lastAtLeast.length;
                lastAtLeast = Arrays.copyOf(lastAtLeast, Math.max(2 * old, n + 1));
                Arrays.fill(lastAtLeast, old, lastAtLeast.length, Long.MIN_VALUE);
            }
            for (int k = n; k > highest && lastAtLeast[k] < end; k--) {
                lastAtLeast[k] = end;
            }
        }
    }

    // ---- room

    private void growWorkers() {
        int n = 2 * workerName.length;
        workerName = Arrays.copyOf(workerName, n);
        phase = Arrays.copyOf(phase, n);
        mustEmpty = Arrays.copyOf(mustEmpty, n);
        deviceBytesLimit = Arrays.copyOf(deviceBytesLimit, n);
        sessionBytes = Arrays.copyOf(sessionBytes, n);
        requestedAt = Arrays.copyOf(requestedAt, n);
        readyAt = Arrays.copyOf(readyAt, n);
        emptySince = Arrays.copyOf(emptySince, n);
        p99 = Arrays.copyOf(p99, n);
        node = Arrays.copyOf(node, n);
        ownCapacity = Arrays.copyOf(ownCapacity, n);
        load = Arrays.copyOf(load, n);
        demanding = Arrays.copyOf(demanding, n);
        onDevice = Arrays.copyOf(onDevice, n);
        held = Arrays.copyOf(held, n);
        firstOn = Arrays.copyOf(firstOn, n);
    }

    private void growSessions() {
        int n = 2 * uid.length;
        uid = Arrays.copyOf(uid, n);
        active = Arrays.copyOf(active, n);
        wants = Arrays.copyOf(wants, n);
        priority = Arrays.copyOf(priority, n);
        weight = Arrays.copyOf(weight, n);
        waitingSince = Arrays.copyOf(waitingSince, n);
        idleSince = Arrays.copyOf(idleSince, n);
        opened = Arrays.copyOf(opened, n);
        at = Arrays.copyOf(at, n);
        worker = Arrays.copyOf(worker, n);
        source = Arrays.copyOf(source, n);
        busy = Arrays.copyOf(busy, n);
        alone = Arrays.copyOf(alone, n);
        next = Arrays.copyOf(next, n);
        previous = Arrays.copyOf(previous, n);
        waitingIndex = Arrays.copyOf(waitingIndex, n);
    }
}
