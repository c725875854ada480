package io.reelfleet.replay.rival;

import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.WorkerSnapshot.Phase;
import java.util.Arrays;

/** How the systems people use choose the number of GPUs; settings are those of their manuals. */
final class Scalers {
    private Scalers() {}

    /** A fixed number, from the first instant to the last. */
    record Static(int gpus) implements Scaler {
        @Override
        public int wanted(Fleet fleet, int current) {
            return gpus;
        }

        @Override
        public long next(Fleet fleet) {
            return Long.MAX_VALUE;
        }
    }

    /** One that looks at the fleet at fixed times. */
    abstract static class Periodic implements Scaler {
        private final long period;
        private final long memory;
        final Meter meter;
        private long nextTick = Long.MIN_VALUE;
        private long changed;
        private int demand = -1;
        private int fleetSize = -1;
        private int last;

        /**
         * @param periodMillis between two looks
         * @param memoryMillis after so long without a change a look finds nothing new
         * @param windowMillis the longest window of means
         */
        Periodic(long periodMillis, long memoryMillis, long windowMillis) {
            period = periodMillis;
            memory = memoryMillis;
            meter = new Meter(windowMillis);
        }

        abstract int look(Fleet fleet, int current);

        @Override
        public final int wanted(Fleet fleet, int current) {
            long now = fleet.now();
            meter.record(now, fleet.demandCount());
            if (nextTick == Long.MIN_VALUE) {
                last = Math.max(current, 1);
                nextTick = now;
            }
            if (demand != fleet.demandCount() || fleetSize != ready(fleet)) {
                demand = fleet.demandCount();
                fleetSize = ready(fleet);
                changed = now;
            }
            if (now >= nextTick + period) {
                // It slept while nothing changed.
                nextTick = Math.ceilDiv(now, period) * period;
            }
            if (now >= nextTick) {
                nextTick = (now / period + 1) * period;
                last = look(fleet, current);
            }
            return last;
        }

        @Override
        public final long next(Fleet fleet) {
            return fleet.now() - changed > memory ? Long.MAX_VALUE : nextTick;
        }

        static int ready(Fleet fleet) {
            int n = 0;
            for (int i = 0; i < fleet.workers(); i++) {
                n += fleet.phase(fleet.worker(i)) == Phase.READY ? 1 : 0;
            }
            return n;
        }
    }

    /**
     * Kubernetes' Horizontal Pod Autoscaler on sessions per pod, target C: every 15 s, tolerance
     * 0.1, at most double or 4 more at once, the highest recommendation of the last 300 s on the
     * way down, never under 1.
     */
    static final class Hpa extends Periodic {
        static final long PERIOD = 15_000;
        static final double TOLERANCE = 0.1;
        static final long DOWN_WINDOW = 300_000;
        private final long[] when = new long[(int) (DOWN_WINDOW / PERIOD) + 2];
        private final int[] recommended = new int[when.length];
        private int n;

        Hpa() {
            super(PERIOD, DOWN_WINDOW + 4 * PERIOD, PERIOD);
            Arrays.fill(when, Long.MIN_VALUE / 2);
        }

        @Override
        int look(Fleet fleet, int current) {
            int pods = Math.max(1, current);
            double ratio = fleet.demandCount() / (double) (pods * fleet.pool().capacity());
            int desired =
                    Math.abs(ratio - 1) <= TOLERANCE ? pods : (int) Math.ceil(pods * ratio - 1e-9);
            desired = Math.max(1, desired);
            when[n % when.length] = fleet.now();
            recommended[n % when.length] = desired;
            n++;
            if (desired > pods) {
                return Math.min(desired, Math.max(2 * pods, pods + 4));
            }
            int highest = desired;
            for (int i = 0; i < when.length; i++) {
                if (when[i] >= fleet.now() - DOWN_WINDOW) {
                    highest = Math.max(highest, recommended[i]);
                }
            }
            return Math.min(pods, highest);
        }
    }

    /**
     * Knative's Pod Autoscaler: every 2 s the mean concurrency over 60 s at a target of 70 % of
     * containerConcurrency C; over 6 s while that asks for twice what is ready (panic), in which
     * nothing is given back until 60 s later; at most halved at once; down to nothing, and up from
     * nothing at the first request. What exceeds containerConcurrency waits in the activator.
     */
    static final class Kpa extends Periodic {
        static final long PERIOD = 2_000;
        static final long STABLE = 60_000;
        static final long PANIC = 6_000;
        static final double TARGET = 0.7;
        private long panicUntil = Long.MIN_VALUE;
        private int panicMost;

        Kpa() {
            super(PERIOD, 2 * STABLE + 4 * PERIOD, STABLE);
        }

        @Override
        int look(Fleet fleet, int current) {
            long now = fleet.now();
            double target = TARGET * fleet.pool().capacity();
            int ready = ready(fleet);
            int stable = (int) Math.ceil(meter.mean(now, STABLE) / target - 1e-9);
            int panic = (int) Math.ceil(meter.mean(now, PANIC) / target - 1e-9);
            if (current == 0) {
                return fleet.demandCount() > 0 ? Math.max(1, stable) : 0;
            }
            int least = ready / 2;
            stable = Math.max(stable, least);
            panic = Math.max(panic, least);
            if (panic >= 2 * Math.max(1, ready)) {
                if (now >= panicUntil) {
                    panicMost = current;
                }
                panicUntil = now + STABLE;
            }
            if (now < panicUntil) {
                panicMost = Math.max(panicMost, Math.max(panic, stable));
                return panicMost;
            }
            return fleet.demandCount() > 0 ? Math.max(1, stable) : stable;
        }

        @Override
        public int admitted(int capacity) {
            return capacity;
        }
    }

    /**
     * Ray Serve: ongoing requests, mean over 30 s, per replica at a target of C; more after 30 s in
     * which more were wanted, fewer after 600 s, never under 1. What exceeds max_ongoing_requests C
     * waits at the proxy.
     */
    static final class RayServe extends Periodic {
        static final long PERIOD = 1_000;
        static final long LOOK_BACK = 30_000;
        static final long UP_DELAY = 30_000;
        static final long DOWN_DELAY = 600_000;
        private long moreSince = Long.MAX_VALUE;
        private long fewerSince = Long.MAX_VALUE;

        RayServe() {
            super(PERIOD, LOOK_BACK + DOWN_DELAY + 4 * PERIOD, LOOK_BACK);
        }

        @Override
        int look(Fleet fleet, int current) {
            long now = fleet.now();
            int desired =
                    Math.max(
                            1,
                            (int)
                                    Math.ceil(
                                            meter.mean(now, LOOK_BACK) / fleet.pool().capacity()
                                                    - 1e-9));
            moreSince = desired > current ? Math.min(moreSince, now) : Long.MAX_VALUE;
            fewerSince = desired < current ? Math.min(fewerSince, now) : Long.MAX_VALUE;
            if (desired > current && (current == 0 || now - moreSince >= UP_DELAY)) {
                return desired;
            }
            return desired < current && now - fewerSince >= DOWN_DELAY ? desired : current;
        }

        @Override
        public int admitted(int capacity) {
            return capacity;
        }
    }

    /**
     * Agones' buffer policy: every 30 s as many game servers as the sessions need and room for C
     * more, never more than C sessions on one.
     */
    static final class Agones extends Periodic {
        static final long PERIOD = 30_000;

        Agones() {
            super(PERIOD, 2 * PERIOD, PERIOD);
        }

        @Override
        int look(Fleet fleet, int current) {
            int capacity = fleet.pool().capacity();
            return Math.ceilDiv(fleet.demandCount() + capacity, capacity);
        }

        @Override
        public int admitted(int capacity) {
            return capacity;
        }
    }

    /**
     * NVIDIA Dynamo's planner: every 180 s a local linear trend, by a Kalman filter (level noise 1,
     * trend noise 0.1, measurement noise 10), foretells the mean load of the next interval; never
     * under 1.
     */
    static final class Dynamo extends Periodic {
        static final long PERIOD = 180_000;
        private static final double LEVEL_NOISE = 1;
        private static final double TREND_NOISE = 0.1;
        private static final double MEASUREMENT_NOISE = 10;
        private double level;
        private double trend;
        private double p00 = 10;
        private double p01;
        private double p11 = 10;

        Dynamo() {
            super(PERIOD, 20 * PERIOD, PERIOD);
        }

        @Override
        int look(Fleet fleet, int current) {
            double predicted = foretell(meter.mean(fleet.now(), PERIOD));
            return Math.max(1, (int) Math.ceil(predicted / fleet.pool().capacity() - 1e-9));
        }

        /** The next interval's load, after a measured one. */
        double foretell(double measured) {
            double l = level + trend;
            double a00 = p00 + 2 * p01 + p11 + LEVEL_NOISE;
            double a01 = p01 + p11;
            double a11 = p11 + TREND_NOISE;
            double s = a00 + MEASUREMENT_NOISE;
            double k0 = a00 / s;
            double k1 = a01 / s;
            double miss = measured - l;
            level = l + k0 * miss;
            trend += k1 * miss;
            p00 = (1 - k0) * a00;
            p01 = (1 - k0) * a01;
            p11 = a11 - k1 * a01;
            return Math.max(0, level + trend);
        }
    }

    /** Hindsight hold+buffer with given settings; see {@link HoldAndBuffer}. */
    static final class Hold implements Scaler {
        private final HoldAndBuffer.Settings settings;
        private final long holdMillis;
        private long[] lastNeeded = new long[64];
        private int needed;
        private int wanted;

        Hold(HoldAndBuffer.Settings settings) {
            this.settings = settings;
            holdMillis = Math.round(settings.holdSeconds() * 1000);
            Arrays.fill(lastNeeded, Long.MIN_VALUE / 2);
        }

        @Override
        public int wanted(Fleet fleet, int current) {
            long now = fleet.now();
            int need = settings.gpus(fleet.demandCount(), fleet.pool().capacity());
            if (need >= lastNeeded.length) {
                int old = lastNeeded.length;
                lastNeeded = Arrays.copyOf(lastNeeded, 2 * need);
                Arrays.fill(lastNeeded, old, lastNeeded.length, Long.MIN_VALUE / 2);
            }
            for (int level = need + 1; level <= needed; level++) {
                lastNeeded[level] = now;
            }
            needed = need;
            wanted = need;
            for (int level = need + 1; level < lastNeeded.length; level++) {
                if (now - lastNeeded[level] >= holdMillis) {
                    break;
                }
                wanted = level;
            }
            return wanted;
        }

        @Override
        public long next(Fleet fleet) {
            return wanted > needed ? lastNeeded[wanted] + holdMillis : Long.MAX_VALUE;
        }
    }
}
