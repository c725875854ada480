package io.reelfleet.replay.rival;

import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.LatencyProfile;
import io.reelfleet.scheduler.PoolSettings;

/**
 * A port of TurboServe (arXiv 2606.19271) from its description: a waiting session goes where the
 * bottleneck latency grows least; on every event, and every 10 s, the worst GPU's session moves
 * whose move gains most, gain = L - L' - eta x kappa, until nothing gains; before a GPU is given
 * back its sessions leave it, after one has come the others spread onto it. The number of GPUs
 * minimises cost + lambda x worst latency under a target utilisation; both are set by the
 * volatility of activations in a sliding window, in classes. The paper tunes the classes offline
 * and does not publish them; here they are set by hand.
 */
final class TurboServe implements Placement, Scaler {
    static final long PERIOD_MILLIS = 10_000;
    static final long WINDOW_MILLIS = 300_000;

    /** What share of a move's time counts against its gain. */
    static final double ETA = 0.1;

    /** Looks in a row that must want fewer GPUs before one goes. */
    static final int DOWN_LOOKS = 6;

    /**
     * How volatile the load is.
     *
     * @param fromChanges activations and ends per active session in the window, at least
     * @param lambda GPUs that a second of worst latency is worth
     * @param utilisation the share of C that a GPU should carry
     */
    enum Volatility {
        CALM(0, 1, 0.95),
        CHANGING(2, 2, 0.85),
        VOLATILE(10, 4, 0.75);

        final double fromChanges;
        final double lambda;
        final double utilisation;

        Volatility(double fromChanges, double lambda, double utilisation) {
            this.fromChanges = fromChanges;
            this.lambda = lambda;
            this.utilisation = utilisation;
        }

        static Volatility of(double changesPerActive) {
            Volatility found = CALM;
            for (Volatility v : values()) {
                found = changesPerActive >= v.fromChanges ? v : found;
            }
            return found;
        }
    }

    private final boolean migrates;
    private final Meter demand = new Meter(WINDOW_MILLIS);
    private final long[] changes = new long[4_096];
    private int changed;
    private int before;
    private long nextLook = Long.MIN_VALUE;
    private long lastChange;
    private int last;
    private int fewer;

    /**
     * @param migrates false for the ablation without migration
     */
    TurboServe(boolean migrates) {
        this.migrates = migrates;
    }

    // ---- placement

    @Override
    public int choose(Draft draft, int session) {
        // L grows with n, so the bottleneck grows least where the load is least.
        return draft.leastLoaded();
    }

    @Override
    public boolean placesAtResume() {
        return migrates;
    }

    @Override
    public boolean empties() {
        return migrates;
    }

    @Override
    public void rebalance(Draft draft) {
        if (!migrates) {
            return;
        }
        Fleet fleet = draft.fleet();
        PoolSettings pool = fleet.pool();
        LatencyProfile latency = pool.latency();
        double price = ETA * pool.state().moveMillis();
        for (int moves = 0; moves < pool.maxMoves(); moves++) {
            int worst = draft.mostLoaded();
            int to = draft.leastLoaded();
            if (worst == Fleet.NONE || to == Fleet.NONE || to == worst) {
                return;
            }
            double gain = gain(latency, draft.load(worst), draft.load(to), price);
            int moved = Math.max(0, fleet.demanding(worst) - draft.load(worst));
            int s = gain > 0 ? draft.movable(worst, moved) : Fleet.NONE;
            if (s == Fleet.NONE) {
                return;
            }
            draft.put(s, to);
        }
    }

    /** L - L' - eta x kappa, milliseconds, of a move from a worker with one load to another. */
    static double gain(LatencyProfile latency, int from, int to, double price) {
        return latency.at(from) - Math.max(latency.at(from - 1), latency.at(to + 1)) - price;
    }

    // ---- scaling

    @Override
    public int wanted(Fleet fleet, int current) {
        long now = fleet.now();
        int active = fleet.demandCount();
        demand.record(now, active);
        if (active != before) {
            changes[changed++ % changes.length] = now;
            before = active;
            lastChange = now;
        }
        if (nextLook == Long.MIN_VALUE) {
            last = current;
            nextLook = now;
        }
        // A waiting session is an event of its own; what is too few is not left for the next look.
        boolean due = now >= nextLook || active > current * fleet.pool().capacity();
        if (!due) {
            return last;
        }
        if (now >= nextLook) {
            nextLook = (now / PERIOD_MILLIS + 1) * PERIOD_MILLIS;
        }
        int best = best(active, volatility(now), fleet.pool());
        if (best < current) {
            fewer++;
            if (fewer < DOWN_LOOKS) {
                best = current;
            }
        } else {
            fewer = 0;
        }
        last = best;
        return best;
    }

    /** The number of GPUs that minimises cost + lambda x worst latency. */
    static int best(int active, Volatility volatility, PoolSettings pool) {
        if (active == 0) {
            return 0;
        }
        int least = (int) Math.ceil(active / (pool.capacity() * volatility.utilisation) - 1e-9);
        int best = least;
        double cheapest = Double.POSITIVE_INFINITY;
        for (int m = least; m <= active; m++) {
            double worst = pool.latency().at(Math.ceilDiv(active, m)) / 1000;
            double cost = m + volatility.lambda * worst;
            if (cost < cheapest - 1e-9) {
                cheapest = cost;
                best = m;
            }
        }
        return best;
    }

    private Volatility volatility(long now) {
        int recent = 0;
        for (int i = changed - 1; i >= Math.max(0, changed - changes.length); i--) {
            if (changes[i % changes.length] < now - WINDOW_MILLIS) {
                break;
            }
            recent++;
        }
        return Volatility.of(recent / Math.max(1, demand.mean(now, WINDOW_MILLIS)));
    }

    @Override
    public long next(Fleet fleet) {
        return fleet.now() - lastChange > WINDOW_MILLIS + DOWN_LOOKS * PERIOD_MILLIS
                ? Long.MAX_VALUE
                : nextLook;
    }

    @Override
    public long next(long now) {
        return Long.MAX_VALUE;
    }
}
