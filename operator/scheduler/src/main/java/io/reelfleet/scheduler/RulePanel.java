package io.reelfleet.scheduler;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Many {@link Rule}s, each carried along on the demand that really was: how many workers it would
 * have now, and what it would have spent and left late so far, apart for each load level. Time in
 * seconds since the first observation.
 *
 * <p>Lateness is the fluid model's: of a active sessions and r ready workers, a - C r are late. A
 * rule's workers are a stack: the last requested goes first, so what is ready is its bottom.
 */
final class RulePanel {
    static final Rule.Signal[] SIGNALS = {
        new Rule.Signal(1, 0, 0),
        new Rule.Signal(0.5, 60, 0),
        new Rule.Signal(0, 60, 0),
        new Rule.Signal(0.25, 120, 0),
        new Rule.Signal(0, 120, 0),
        new Rule.Signal(0.5, 300, 0),
        new Rule.Signal(1, 0, 0.5),
    };
    private static final double[] HEADROOMS = {-0.75, -0.5, -0.25, 0, 0.25, 0.75, 1.5};
    private static final double[] ROOTS = {0, 0.5, 1, 1.5, 2.25};
    private static final double[] HOLDS = {0, 30, 120, 300, 900};

    /** The signal by whose size load levels are told apart. */
    private static final int LEVEL_SIGNAL = 4;

    /** Load levels are octaves of the mean demand: up to 1, 2, 4, ... sessions. */
    static final int LEVELS = 14;

    private static final double NEVER = Double.POSITIVE_INFINITY;

    private final double capacity;
    private double startUp;
    private final double perWait;
    private final Rule[] rules;
    private final int n;
    private final int[] signal;
    private final double[] k;
    private final double[] q;
    private final double[] hold;
    private final int[] want;
    private final int[] workers;
    private final int[] ready;
    private final double[] next;
    private final double[][] requested;
    private final double[][] needed;

    /** GPU-seconds and late session-seconds, by load level and rule. */
    final double[][] cost = new double[LEVELS][];

    final double[][] late = new double[LEVELS][];
    final double[] totalCost;
    final double[] totalLate;
    final double[] levelSeconds = new double[LEVELS];
    final double[] levelDue = new double[LEVELS];
    double due;
    double seconds;

    private final double[] mean = new double[SIGNALS.length];
    private final double[] value = new double[SIGNALS.length];
    private final double[] root = new double[SIGNALS.length];
    private double time = Double.NaN;
    private double demand;
    private double countFrom;

    // The demand of the last start-up time, for trends.
    private double[] pastTime = new double[256];
    private double[] pastDemand = new double[256];
    private int pastFrom;
    private int pastTo;

    /**
     * @param capacity sessions per worker
     * @param startUp seconds from request to ready
     * @param perWait late seconds that each wait costs beyond its length: chunks come whole, and a
     *     state that had to give way must come back
     * @param countFrom the instant from which lateness counts: before, no rule could have helped
     */
    RulePanel(int capacity, double startUp, double perWait, double countFrom) {
        this.perWait = perWait;
        this.capacity = capacity;
        this.startUp = startUp;
        this.countFrom = countFrom;
        List<Rule> all = new ArrayList<>();
        for (int s = 0; s < SIGNALS.length; s++) {
            for (double headroom : HEADROOMS) {
                for (double perRoot : ROOTS) {
                    for (double h : HOLDS) {
                        all.add(new Rule(s, headroom * capacity, perRoot, h));
                    }
                }
            }
        }
        rules = all.toArray(Rule[]::new);
        n = rules.length;
        signal = new int[n];
        k = new double[n];
        q = new double[n];
        hold = new double[n];
        for (int e = 0; e < n; e++) {
            signal[e] = rules[e].signal();
            k[e] = rules[e].k();
            q[e] = rules[e].q();
            hold[e] = rules[e].hold();
        }
        want = new int[n];
        workers = new int[n];
        ready = new int[n];
        next = new double[n];
        Arrays.fill(next, NEVER);
        requested = new double[n][8];
        needed = new double[n][8];
        totalCost = new double[n];
        totalLate = new double[n];
        for (int c = 0; c < LEVELS; c++) {
            cost[c] = new double[n];
            late[c] = new double[n];
        }
    }

    int size() {
        return n;
    }

    Rule rule(int e) {
        return rules[e];
    }

    /** How many workers the rule has requested and not given back. */
    int workers(int e) {
        return workers[e];
    }

    /** When the rule's number of workers next falls by itself; infinity when not. */
    double nextRelease(int e) {
        int top = workers[e];
        return top > want[e] ? needed[e][top - 1] + hold[e] : NEVER;
    }

    /** The load level in force. */
    int level() {
        double x = mean[LEVEL_SIGNAL];
        int c = 0;
        while (x > 1 && c < LEVELS - 1) {
            x /= 2;
            c++;
        }
        return c;
    }

    /** How far the slowest mean still is from the demand, sessions. */
    double unsettled() {
        double most = 0;
        for (int s = 0; s < SIGNALS.length; s++) {
            if (SIGNALS[s].tau() > 0) {
                most = Math.max(most, Math.abs(mean[s] - demand));
            }
        }
        return most;
    }

    /** The mean demand over some minutes, sessions. */
    double meanDemand() {
        return mean[5];
    }

    /** Start-ups take so many seconds from now on. */
    void startUp(double startUpSeconds) {
        startUp = startUpSeconds;
    }

    /** Lateness counts from this instant on. */
    void countFrom(double instant) {
        countFrom = instant;
    }

    /** From now on there is this demand. */
    void observe(double now, double demandNow) {
        if (Double.isNaN(time)) {
            time = now;
        }
        if (now > time) {
            pass(now);
        }
        time = now;
        if (demandNow > demand && now > countFrom) {
            waits(demandNow);
        }
        demand = demandNow;
        double past = past(now);
        for (int s = 0; s < SIGNALS.length; s++) {
            Rule.Signal f = SIGNALS[s];
            double v = f.now() * demand + (1 - f.now()) * mean[s];
            if (f.trend() > 0) {
                v += f.trend() * Math.max(0, demand - past);
            }
            value[s] = v;
            root[s] = Math.sqrt(v);
        }
        for (int e = 0; e < n; e++) {
            double v = value[signal[e]] + k[e] + q[e] * root[signal[e]];
            // However few they are, sessions that want chunks are not left without any worker.
            int least = demand > 0 ? 1 : 0;
            int w = v <= 0 ? least : Math.max(least, (int) Math.ceil(v / capacity - 1e-9));
            if (w != want[e]) {
                wants(e, w, now);
            }
        }
    }

    /** Who comes to find all ready workers full waits. */
    private void waits(double demandNow) {
        double more = demandNow - demand;
        double[] l = late[level()];
        for (int e = 0; e < n; e++) {
            double excess = demandNow - capacity * ready[e];
            if (excess > 0) {
                double missed = perWait * Math.min(excess, more);
                l[e] += missed;
                totalLate[e] += missed;
            }
        }
    }

    private void wants(int e, int w, double now) {
        if (w < want[e]) {
            Arrays.fill(needed[e], w, want[e], now);
        } else if (w > workers[e]) {
            if (w >= requested[e].length) {
                requested[e] = Arrays.copyOf(requested[e], 2 * w);
                needed[e] = Arrays.copyOf(needed[e], 2 * w);
            }
            Arrays.fill(requested[e], workers[e], w, now);
            workers[e] = w;
        }
        want[e] = w;
        next[e] = nextChange(e);
    }

    private double nextChange(int e) {
        double at = nextRelease(e);
        int r = ready[e];
        return r < workers[e] ? Math.min(at, requested[e][r] + startUp) : at;
    }

    /** Lets time pass with the demand as it is. */
    private void pass(double now) {
        double dt = now - time;
        int level = level();
        double[] c = cost[level];
        double[] l = late[level];
        levelSeconds[level] += dt;
        levelDue[level] += demand * dt;
        due += demand * dt;
        seconds += dt;
        boolean counts = now > countFrom;
        for (int e = 0; e < n; e++) {
            double spent;
            double missed;
            if (next[e] > now) {
                spent = workers[e] * dt;
                double excess = demand - capacity * ready[e];
                missed = excess > 0 ? excess * dt : 0;
            } else {
                spent = 0;
                missed = 0;
                double at = time;
                while (true) {
                    double until = Math.min(next[e], now);
                    spent += workers[e] * (until - at);
                    double excess = demand - capacity * ready[e];
                    missed += excess > 0 ? excess * (until - at) : 0;
                    at = until;
                    if (next[e] > now) {
                        break;
                    }
                    change(e, at);
                }
            }
            c[e] += spent;
            totalCost[e] += spent;
            if (counts) {
                l[e] += missed;
                totalLate[e] += missed;
            }
        }
        for (int s = 0; s < SIGNALS.length; s++) {
            double tau = SIGNALS[s].tau();
            if (tau > 0) {
                mean[s] += (demand - mean[s]) * -Math.expm1(-dt / tau);
            }
        }
    }

    private void change(int e, double at) {
        while (ready[e] < workers[e] && requested[e][ready[e]] + startUp <= at) {
            ready[e]++;
        }
        while (nextRelease(e) <= at) {
            workers[e]--;
        }
        ready[e] = Math.min(ready[e], workers[e]);
        next[e] = nextChange(e);
    }

    private double past(double now) {
        if (pastTo == pastTime.length) {
            int kept = pastTo - pastFrom;
            int size = kept > pastTime.length / 2 ? 2 * pastTime.length : pastTime.length;
            double[] t = new double[size];
            double[] d = new double[size];
            System.arraycopy(pastTime, pastFrom, t, 0, kept);
            System.arraycopy(pastDemand, pastFrom, d, 0, kept);
            pastTime = t;
            pastDemand = d;
            pastFrom = 0;
            pastTo = kept;
        }
        pastTime[pastTo] = now;
        pastDemand[pastTo++] = demand;
        while (pastFrom + 1 < pastTo && pastTime[pastFrom + 1] <= now - startUp) {
            pastFrom++;
        }
        return pastTime[pastFrom] <= now - startUp ? pastDemand[pastFrom] : 0;
    }
}
