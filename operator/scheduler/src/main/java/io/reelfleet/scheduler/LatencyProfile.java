package io.reelfleet.scheduler;

import java.util.Arrays;

/**
 * L(n): the chunk latency of a worker that serves n ordinary sessions at once. Never falls with n.
 *
 * <p>Equal profiles are equal values.
 */
public final class LatencyProfile {
    private final double[] millis;

    /**
     * @param millis latency at 1, 2, ... sessions, milliseconds; what lies beyond grows as between
     *     the last two
     */
    public LatencyProfile(double... millis) {
        if (millis.length == 0) {
            throw new IllegalArgumentException("a latency profile needs one point at least");
        }
        this.millis = millis.clone();
        double before = 0;
        for (double m : millis) {
            if (!(m >= before)) {
                throw new IllegalArgumentException(
                        "a latency profile must not fall: " + Arrays.toString(millis));
            }
            before = m;
        }
    }

    /** L(n) = interval x n / capacity: a worker that keeps up with exactly C sessions. */
    public static LatencyProfile proportional(double intervalMillis, int capacity) {
        double[] m = new double[capacity];
        for (int n = 1; n <= capacity; n++) {
            m[n - 1] = intervalMillis * n / capacity;
        }
        return new LatencyProfile(m);
    }

    /**
     * Latency under a load, milliseconds.
     *
     * @param load in ordinary sessions; between whole numbers it is interpolated
     */
    public double at(double load) {
        if (load <= 0) {
            return 0;
        }
        int n = (int) Math.floor(load);
        double below = whole(n);
        return below + (load - n) * (whole(n + 1) - below);
    }

    private double whole(int n) {
        if (n <= 0) {
            return 0;
        }
        if (n <= millis.length) {
            return millis[n - 1];
        }
        int last = millis.length - 1;
        double step = last == 0 ? millis[0] : millis[last] - millis[last - 1];
        return millis[last] + (n - millis.length) * step;
    }

    /** The most sessions that stay inside the target; at least 1. */
    public int capacity(double targetMillis) {
        int n = 1;
        while (n < MOST && whole(n + 1) <= targetMillis) {
            n++;
        }
        return n;
    }

    private static final int MOST = 4_096;

    @Override
    public boolean equals(Object o) {
        return o instanceof LatencyProfile p && Arrays.equals(millis, p.millis);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(millis);
    }

    @Override
    public String toString() {
        return "LatencyProfile" + Arrays.toString(millis);
    }
}
