package io.reelfleet.replay.sim;

import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.LatencyProfile;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.Policy;
import io.reelfleet.scheduler.PoolSettings;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * One policy over one workload in virtual time.
 *
 * <p>The model: a chunk is due when a burst starts and then once each interval. A worker that
 * serves n sessions delivers a chunk L(n) after it was due. A session that waits (for a start-up,
 * for its state, its turn) gets what came due meanwhile when it is served again: the latency is
 * that wait and L(n). What a burst's end finds undelivered is late. Chunks due before the run's
 * first worker was ready are due, but neither late nor among the latencies.
 *
 * <p>State: an idle session keeps its place on the device and goes on there at once; from its
 * worker's host memory it comes back in bytes / host link; a live move takes bytes / worker link,
 * during which the source goes on serving, and stops the session for the cut-over at its end; a
 * session that moves at the instant it wakes waits for the copy; one whose worker is gone is
 * rebuilt from its log.
 *
 * <p>The same workload, policy, conditions and seed give the same result, decision times excepted.
 */
public final class Simulation {
    private static final int NONE = -1;

    /** A plan's commands may open the way for more at the same instant, but not for ever. */
    private static final int ROUNDS = 4;

    private static final double ROUNDING = 1e-9;

    private final Workload work;
    private final Conditions world;
    private final Policy policy;
    private final boolean freeMoves;
    private final Journal journal;
    private final PoolSettings pool;
    private final LatencyProfile profile;
    private final long interval;
    private final RandomGenerator random;
    private final Fleet fleet;
    private final Agenda agenda = new Agenda();

    private long now;
    private long lastChange;
    private long wake = Long.MAX_VALUE;
    private long firstReady = Long.MAX_VALUE;
    private int workersMade;

    // ---- sessions of the trace
    private final int[] numberOf;

    // ---- sessions, by the fleet's number
    private int[] burst = new int[64];
    private int[] counted = new int[64];
    private int[] servedBy = new int[64];
    private int[] next = new int[64];
    private int[] previous = new int[64];
    private int[] generation = new int[64];
    private int[] written = new int[64];
    private long[] waitUntil = new long[64];
    private boolean[] generated = new boolean[64];
    private boolean[] cut = new boolean[64];

    // ---- workers, by the fleet's number
    private int[] head = new int[16];
    private int[] serving = new int[16];
    private int[] life = new int[16];

    // ---- accounts
    private final ChunkLatencies latencies;
    private final Histogram decisions = new Histogram();
    private final StepCurve gpus = new StepCurve();
    private long chunks;
    private long late;
    private long undelivered;
    private long gpuMillis;
    private double unservedMillis;
    private double wantedMillis;
    private long migrations;
    private long parkedMoves;
    private long suspends;
    private long rebuilds;
    private long scaleChanges;
    private long failures;

    private Simulation(
            Workload work,
            Policy policy,
            PoolSettings settings,
            boolean freeMoves,
            Conditions world,
            Journal journal) {
        this.work = work;
        this.policy = policy;
        this.freeMoves = freeMoves;
        this.world = world;
        this.journal = journal;
        pool = settings;
        profile = world.latency();
        interval = world.intervalMillis();
        latencies = new ChunkLatencies(profile);
        random = RandomGeneratorFactory.of("L64X128MixRandom").create(world.seed());
        fleet = new Fleet(pool, policy.learner(pool));
        numberOf = new int[work.sessions()];
        Arrays.fill(head, NONE);
    }

    /**
     * Runs a policy to the workload's end.
     *
     * @param lateBudget the share of chunks that may be late, as told to the policy
     * @param journal is told what happens; the caller closes it
     * @throws IllegalStateException when the policy asks for something impossible, or something is
     *     left at the end
     */
    public static Outcome run(
            Workload work, Policy policy, double lateBudget, Conditions world, Journal journal) {
        return run(work, policy, world.pool(lateBudget), world, journal);
    }

    /** The same with a pool's settings of one's own. */
    public static Outcome run(
            Workload work, Policy policy, PoolSettings pool, Conditions world, Journal journal) {
        return new Simulation(work, policy, pool, false, world, journal).run();
    }

    /** The same in a world where state moves in no time: for the oracle. */
    public static Outcome runWithFreeMoves(
            Workload work, Policy policy, Conditions world, Journal journal) {
        return new Simulation(work, policy, world.pool(0), true, world, journal).run();
    }

    private Outcome run() {
        int i = 0;
        int events = work.events();
        now = work.beginMillis();
        fleet.advance(now);
        while (i < events) {
            advance(Math.min(Math.min(work.at(i), agenda.next()), wake));
            boolean happened = false;
            while (agenda.next() == now) {
                happen(agenda.take());
                happened = true;
            }
            while (i < events && work.at(i) == now) {
                int b = work.burst(i);
                if (work.starts(i)) {
                    start(b);
                } else {
                    end(b);
                }
                happened = true;
                i++;
            }
            if (happened) {
                lastChange = now;
            }
            if (i < events) {
                decide();
            }
        }
        while (fleet.workers() > 0) {
            giveBack(fleet.worker(0));
        }
        return outcome();
    }

    private void advance(long to) {
        double millis = to - now;
        unservedMillis += fleet.lateCount() * millis;
        wantedMillis += fleet.demandCount() * millis;
        now = to;
        fleet.advance(to);
        if (firstReady == Long.MAX_VALUE) {
            fleet.lateness(fleet.dueSeconds(), 0);
        } else {
            // As in production: what was measured, chunk by chunk, in the place of the fluid model.
            fleet.lateness(fleet.dueSeconds(), late * interval / 1000.0);
        }
    }

    private void decide() {
        for (int round = 0; round < ROUNDS; round++) {
            long before = System.nanoTime();
            fleet.observe();
            Plan plan = policy.decide(fleet);
            decisions.add((System.nanoTime() - before) / 1e3, 1);
            wake = plan.wakeAtMillis();
            if (wake == 0) {
                // It cannot say: look again while delays may run out.
                wake =
                        now - lastChange <= pool.downDelayMillis() + 1_000
                                ? now + 1_000
                                : Long.MAX_VALUE;
            }
            wake = Math.max(wake, now + 1);
            if (plan.actions().isEmpty()) {
                return;
            }
            for (Action action : plan.actions()) {
                apply(action);
            }
        }
    }

    // ---- what the trace says

    private void start(int b) {
        int session = work.session(b);
        int f;
        if (work.first(b)) {
            f = fleet.open(work.id(session), 0, 1, true);
            numberOf[session] = f;
            room(f);
            servedBy[f] = NONE;
            written[f] = NONE;
            generated[f] = false;
            cut[f] = false;
        } else {
            f = numberOf[session];
            fleet.wanted(f, true, true);
        }
        burst[f] = b;
        counted[f] = 0;
        waitUntil[f] = now;
        if (fleet.onDeviceNow(f) && !fleet.busy(f)) {
            serve(f, fleet.workerOf(f), "place");
        }
    }

    private void end(int b) {
        int f = numberOf[work.session(b)];
        if (servedBy[f] != NONE) {
            stop(f);
        }
        abandon(f);
        unplaced(f);
        burst[f] = NONE;
        cut[f] = false;
        if (work.last(b)) {
            generation[f]++;
            fleet.close(f);
        } else {
            fleet.wanted(f, fleet.workerOf(f) != NONE, false);
        }
    }

    // ---- what happens by itself

    private void happen(long entry) {
        int id = Agenda.id(entry);
        switch (Agenda.kind(entry)) {
            case Agenda.READY -> {
                if (Agenda.current(entry, life[id])) {
                    firstReady = Math.min(firstReady, now);
                    fleet.ready(id);
                    journal.write(now, "gpu_ready", fleet.workerName(id), "");
                    if (world.workerLifeSeconds() > 0) {
                        double seconds =
                                -Math.log(1 - random.nextDouble()) * world.workerLifeSeconds();
                        agenda.add(
                                now + Math.max(1, Math.round(seconds * 1000)),
                                Agenda.FAILED,
                                id,
                                life[id]);
                    }
                }
            }
            case Agenda.CUT_OVER -> {
                if (Agenda.current(entry, generation[id]) && servedBy[id] != NONE) {
                    leave(id);
                    cut[id] = true;
                }
            }
            case Agenda.ARRIVED -> {
                if (Agenda.current(entry, generation[id])) {
                    arrive(id);
                }
            }
            case Agenda.PARKED -> {
                if (Agenda.current(entry, generation[id])) {
                    fleet.busy(id, false);
                }
            }
            case Agenda.FAILED -> {
                if (Agenda.current(entry, life[id])) {
                    failures++;
                    giveBack(id);
                }
            }
            default -> throw new IllegalStateException("unknown entry " + entry);
        }
    }

    private void arrive(int f) {
        int w = fleet.workerOf(f);
        if (servedBy[f] != NONE) {
            stop(f);
        }
        fleet.placed(f, w);
        fleet.busy(f, false);
        if (fleet.demands(f)) {
            serve(f, w, cut[f] || written[f] != NONE ? "move" : "place");
        }
        cut[f] = false;
    }

    // ---- what the policy wants

    private void apply(Action action) {
        switch (action) {
            case Action.Place(String session, String worker) -> {
                int f = session(session);
                int w = ready(worker, action);
                if (fleet.busy(f) || fleet.workerOf(f) != NONE) {
                    return;
                }
                fleet.placed(f, w);
                boolean rebuild = generated[f] && !freeMoves;
                rebuilds += rebuild ? 1 : 0;
                arriveIn(rebuild ? world.rebuildMillis() : 0, f);
            }
            case Action.Move(String session, String from, String to) ->
                    move(session(session), from, ready(to, action));
            case Action.Suspend(String session, String worker) -> {
                int f = session(session);
                if (fleet.busy(f) || !fleet.onDeviceNow(f)) {
                    return;
                }
                leave(f);
                fleet.parked(f, fleet.workerOf(f));
                fleet.busy(f, true);
                suspends++;
                agenda.add(now + world.hostMillis(), Agenda.PARKED, f, generation[f]);
            }
            case Action.Resume(String session, String worker) -> {
                int f = session(session);
                int w = fleet.workerNumber(worker);
                if (fleet.busy(f) || fleet.onDeviceNow(f) || fleet.workerOf(f) != w || w == NONE) {
                    return;
                }
                fleet.placed(f, w);
                arriveIn(freeMoves ? 0 : world.hostMillis(), f);
            }
            case Action.Release(String session, String worker) -> {
                int f = session(session);
                if (fleet.workerOf(f) != NONE && fleet.workerOf(f) == fleet.workerNumber(worker)) {
                    lose(f);
                }
            }
            case Action.RequestWorkers(int count) -> {
                for (int k = 0; k < count; k++) {
                    request();
                }
            }
            case Action.DrainWorker(String worker) -> {
                int w = worker(worker, action);
                if (fleet.phase(w) == Phase.READY) {
                    fleet.phase(w, Phase.DRAINING);
                }
            }
            case Action.ReleaseWorker(String worker) -> {
                int w = fleet.workerNumber(worker);
                if (w != NONE) {
                    giveBack(w);
                }
            }
        }
    }

    private void move(int f, String from, int to) {
        int source = fleet.workerOf(f);
        if (fleet.busy(f) || source == NONE || source == to || source != fleet.workerNumber(from)) {
            return;
        }
        boolean wanted = fleet.demands(f);
        if (wanted) {
            migrations++;
        } else {
            parkedMoves++;
        }
        boolean onDevice = fleet.onDeviceNow(f);
        if (freeMoves) {
            if (servedBy[f] != NONE) {
                stop(f);
            }
            fleet.placed(f, to);
            if (wanted) {
                serve(f, to, written[f] == NONE ? "place" : "move");
            }
            return;
        }
        long millis =
                onDevice ? world.moveMillis() : Math.max(world.moveMillis(), world.hostMillis());
        boolean live = servedBy[f] != NONE && work.start(burst[f]) < now;
        if (live) {
            long copy = Math.max(0, millis - world.cutOverMillis());
            agenda.add(now + copy, Agenda.CUT_OVER, f, generation[f]);
        } else {
            leave(f);
        }
        fleet.moves(f, source, to);
        fleet.busy(f, true);
        agenda.add(now + millis, Agenda.ARRIVED, f, generation[f]);
    }

    private void arriveIn(long millis, int f) {
        if (millis == 0) {
            arrive(f);
        } else {
            fleet.busy(f, true);
            agenda.add(now + millis, Agenda.ARRIVED, f, generation[f]);
        }
    }

    private void request() {
        String name = "gpu-" + ++workersMade;
        int w = fleet.request(name);
        if (w >= head.length) {
            int old = head.length;
            head = Arrays.copyOf(head, Math.max(2 * old, w + 1));
            Arrays.fill(head, old, head.length, NONE);
            serving = Arrays.copyOf(serving, head.length);
            life = Arrays.copyOf(life, head.length);
        }
        fleet.device(w, world.deviceSlots(), 1, 0, "");
        scaleChanges++;
        gpus.step(now, fleet.workers());
        journal.write(now, "gpu_requested", name, "");
        agenda.add(now + world.startUp().next(random), Agenda.READY, w, life[w]);
    }

    /** A worker is gone, and what it held with it. */
    private void giveBack(int w) {
        while (head[w] != NONE) {
            lose(head[w]);
        }
        while (fleet.firstOn(w) != NONE) {
            lose(fleet.firstOn(w));
        }
        gpuMillis += now - fleet.requestedAt(w);
        scaleChanges++;
        life[w]++;
        journal.write(now, "gpu_released", fleet.workerName(w), "");
        fleet.gone(w);
        gpus.step(now, fleet.workers());
    }

    /** A session's state is gone: it waits when its chunks are wanted. */
    private void lose(int f) {
        leave(f);
        generation[f]++;
        fleet.busy(f, false);
        boolean wanted = fleet.wants(f);
        fleet.unplaced(f);
        fleet.wanted(f, wanted, wanted);
    }

    private int session(String uid) {
        int f = fleet.sessionNumber(uid);
        if (f == NONE) {
            throw new IllegalStateException("the policy names session " + uid + ", which is gone");
        }
        return f;
    }

    private int worker(String name, Action action) {
        int w = fleet.workerNumber(name);
        if (w == NONE) {
            throw new IllegalStateException("the policy names a worker that is gone: " + action);
        }
        return w;
    }

    private int ready(String name, Action action) {
        int w = worker(name, action);
        if (fleet.phase(w) != Phase.READY) {
            throw new IllegalStateException("the worker takes no sessions: " + action);
        }
        return w;
    }

    // ---- serving, and counting

    private void serve(int f, int w, String kind) {
        settleAll(w);
        waitUntil[f] = now;
        servedBy[f] = w;
        generated[f] = true;
        previous[f] = NONE;
        next[f] = head[w];
        if (head[w] != NONE) {
            previous[head[w]] = f;
        }
        head[w] = f;
        serving[w]++;
        if (written[f] != w) {
            journal.write(now, kind, fleet.workerName(w), fleet.uid(f));
            written[f] = w;
        }
    }

    /** Its worker serves it no longer; it counts as placed there until {@link #unplaced}. */
    private void stop(int f) {
        int w = servedBy[f];
        settleAll(w);
        servedBy[f] = NONE;
        serving[w]--;
        if (previous[f] == NONE) {
            head[w] = next[f];
        } else {
            next[previous[f]] = next[f];
        }
        if (next[f] != NONE) {
            previous[next[f]] = previous[f];
        }
    }

    private void leave(int f) {
        if (servedBy[f] != NONE) {
            stop(f);
        }
        unplaced(f);
    }

    private void unplaced(int f) {
        if (written[f] != NONE) {
            journal.write(now, "unplace", fleet.workerName(written[f]), fleet.uid(f));
            written[f] = NONE;
        }
    }

    /** Counts the chunks that came due on a worker since its number of sessions last changed. */
    private void settleAll(int w) {
        int n = serving[w];
        for (int f = head[w]; f != NONE; f = next[f]) {
            settle(f, n);
        }
    }

    private void settle(int f, int n) {
        if (waitUntil[f] == now) {
            // Served since this instant: who else comes now shares its first chunks.
            return;
        }
        long start = work.start(burst[f]);
        int upTo = (int) Math.ceilDiv(now - start, interval);
        int k = counted[f];
        if (k >= upTo) {
            return;
        }
        double own = profile.at(n);
        long due = start + k * interval;
        while (k < upTo && due < waitUntil[f]) {
            delivered(due, waitUntil[f] - due + own);
            due += interval;
            k++;
        }
        if (k < upTo) {
            chunks += upTo - k;
            latencies.shared(n, upTo - k);
            late += own > world.targetMillis() + ROUNDING ? upTo - k : 0;
        }
        counted[f] = upTo;
    }

    private void delivered(long due, double latency) {
        chunks++;
        if (due >= firstReady) {
            latencies.waited(latency);
            late += latency > world.targetMillis() + ROUNDING ? 1 : 0;
        }
    }

    /** The burst is over: what it still waits for never comes. */
    private void abandon(int f) {
        long start = work.start(burst[f]);
        int upTo = (int) Math.ceilDiv(now - start, interval);
        for (int k = counted[f]; k < upTo; k++) {
            long due = start + k * interval;
            chunks++;
            if (due >= firstReady) {
                // It would have come a target's time after the end, at the earliest.
                latencies.waited(now - due + world.targetMillis());
                late++;
                undelivered++;
            }
        }
        counted[f] = upTo;
    }

    private Outcome outcome() {
        int left = 0;
        for (int n : serving) {
            left += n;
        }
        if (fleet.sessions() != 0 || fleet.waiting() != 0 || fleet.workers() != 0 || left != 0) {
            throw new IllegalStateException(
                    "left at the end: %d sessions, %d waiting, %d workers, %d served"
                            .formatted(fleet.sessions(), fleet.waiting(), fleet.workers(), left));
        }
        long due = work.dueChunks(interval);
        if (chunks != due) {
            throw new IllegalStateException(
                    chunks + " chunks were counted, but " + due + " came due");
        }
        return new Outcome(
                due,
                late,
                undelivered,
                latencies,
                gpuMillis / 1000.0,
                wantedMillis == 0 ? 0 : unservedMillis / wantedMillis,
                migrations,
                parkedMoves,
                suspends,
                rebuilds,
                scaleChanges,
                failures,
                gpus.peak(),
                decisions,
                gpus);
    }

    private void room(int f) {
        if (f < burst.length) {
            return;
        }
        int n = Math.max(2 * burst.length, f + 1);
        burst = Arrays.copyOf(burst, n);
        counted = Arrays.copyOf(counted, n);
        servedBy = Arrays.copyOf(servedBy, n);
        next = Arrays.copyOf(next, n);
        previous = Arrays.copyOf(previous, n);
        generation = Arrays.copyOf(generation, n);
        written = Arrays.copyOf(written, n);
        waitUntil = Arrays.copyOf(waitUntil, n);
        generated = Arrays.copyOf(generated, n);
        cut = Arrays.copyOf(cut, n);
    }
}
