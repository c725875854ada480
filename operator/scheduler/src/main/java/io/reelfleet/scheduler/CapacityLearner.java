package io.reelfleet.scheduler;

import java.util.Arrays;

/**
 * Learns C, the most ordinary sessions a worker carries inside the latency target, for one model on
 * one type of GPU, from L(n) as chunks show it ({@link LatencyLearner}).
 *
 * <p>C falls to n - 1 when n sessions have been seen to be too many: their mean latency above the
 * target, or more than one chunk in twenty. It rises by one, a minute at least after the last
 * change, while C + 1 is expected below nine tenths of the target and workers have been seen to
 * carry two thirds of it with ease (loads are kept even, so few workers ever serve exactly C).
 * Between the two nothing happens, and what has been seen of a number is remembered when C falls
 * below it, so that C goes neither up and down by chance nor twice into the same wall; after an
 * hour, then two, then four, it forgets that and may try again. For one thread.
 */
public final class CapacityLearner {
    /** No worker is taken to carry more. */
    public static final int MOST = 64;

    /** Chunks at one n that say something. */
    private static final double ENOUGH = 100;

    /** What is assumed of an n counts like so many chunks. */
    private static final double DOUBT = 20;

    /** C + 1 must be expected below this share of the target. */
    private static final double EASE = 0.9;

    private static final double TOO_MANY_LATE = 0.05;
    private static final double FEW_LATE = 0.01;

    /** A longer latency is a stall and not a load's doing: in targets. */
    private static final double STALL = 8;

    private static final long SETTLE_MILLIS = 60_000;
    private static final long REVIEW_MILLIS = 5_000;
    private static final long FIRST_RETRY_MILLIS = 3_600_000;
    private static final long LONGEST_RETRY_MILLIS = 86_400_000;

    private final LatencyLearner latency = new LatencyLearner(MOST);
    private final double[] chunks = new double[MOST + 1];
    private final double[] late = new double[MOST + 1];
    private final int assumed;
    private final boolean fixed;
    private int capacity;
    private long changedAt = Long.MIN_VALUE;
    private long reviewedAt = Long.MIN_VALUE;
    private long retryMillis = FIRST_RETRY_MILLIS;
    private long retryAt = Long.MAX_VALUE;
    private LatencyProfile profile;

    /**
     * @param assumed C before anything has been seen
     * @param fixed C stays at that, only L(n) is learned
     */
    public CapacityLearner(int assumed, boolean fixed) {
        this.assumed = Math.clamp(assumed, 1, MOST);
        this.fixed = fixed;
        this.capacity = fixed ? assumed : this.assumed;
    }

    /** C now. */
    public int capacity() {
        return capacity;
    }

    /** Chunks seen of workers that served C sessions, those long ago less. */
    public double samples() {
        return capacity > MOST ? 0 : chunks[capacity];
    }

    /**
     * Workers have been seen to serve so many: a new leader takes that over from the one before it.
     */
    public void carries(int n) {
        if (!fixed && changedAt == Long.MIN_VALUE) {
            capacity = Math.clamp(n, capacity, MOST);
        }
    }

    /**
     * A chunk of a worker that served n sessions.
     *
     * @param millis from due until delivered
     * @param targetMillis the latency that must be kept
     */
    public void measured(int n, double millis, double targetMillis) {
        if (n < 1 || n > MOST || !(millis > 0)) {
            return;
        }
        latency.measured(n, Math.min(millis, STALL * targetMillis), 1);
        chunks[n] = chunks[n] * LatencyLearner.KEEP + 1;
        late[n] = late[n] * LatencyLearner.KEEP + (millis > targetMillis ? 1 : 0);
    }

    /**
     * L(n) as it is known; proportional where nothing has been seen.
     *
     * @param targetMillis L(C) before anything has been seen
     */
    public LatencyProfile profile(double targetMillis) {
        if (profile == null) {
            profile = learned(targetMillis);
        }
        return profile;
    }

    private LatencyProfile learned(double targetMillis) {
        return latency.profile(LatencyProfile.proportional(targetMillis, assumed), DOUBT);
    }

    /**
     * Looks at what has been seen; call it as often as is convenient.
     *
     * @return whether C is another one now
     */
    public boolean review(long nowMillis, double targetMillis) {
        if (reviewedAt != Long.MIN_VALUE && nowMillis - reviewedAt < REVIEW_MILLIS) {
            return false;
        }
        reviewedAt = nowMillis;
        profile = learned(targetMillis);
        if (fixed || changedAt != Long.MIN_VALUE && nowMillis - changedAt < SETTLE_MILLIS) {
            return false;
        }
        if (nowMillis >= retryAt) {
            forgetAbove(capacity);
            retryAt = Long.MAX_VALUE;
            profile = learned(targetMillis);
        }
        for (int n = 2; n <= capacity; n++) {
            boolean tooLate = profile.at(n) > targetMillis || share(n) > TOO_MANY_LATE;
            if (chunks[n] >= ENOUGH && tooLate) {
                capacity = n - 1;
                changedAt = nowMillis;
                retryAt = nowMillis + retryMillis;
                retryMillis = Math.min(LONGEST_RETRY_MILLIS, 2 * retryMillis);
                return true;
            }
        }
        int seen = seen();
        if (capacity < MOST
                && capacity + 1 <= seen + Math.max(1, seen / 2)
                && profile.at(capacity + 1) <= EASE * targetMillis
                && share(capacity + 1) <= TOO_MANY_LATE) {
            capacity++;
            changedAt = nowMillis;
            return true;
        }
        return false;
    }

    /** The most sessions that workers have been seen to carry with ease. */
    private int seen() {
        int n = Math.min(capacity, MOST);
        while (n > 0 && (chunks[n] < 2 * ENOUGH || share(n) > FEW_LATE)) {
            n--;
        }
        return n;
    }

    private double share(int n) {
        return chunks[n] < ENOUGH ? 0 : late[n] / chunks[n];
    }

    private void forgetAbove(int n) {
        latency.forgetAbove(n);
        Arrays.fill(chunks, n + 1, chunks.length, 0);
        Arrays.fill(late, n + 1, late.length, 0);
    }
}
