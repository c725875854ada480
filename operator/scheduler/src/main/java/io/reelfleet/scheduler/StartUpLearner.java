package io.reelfleet.scheduler;

import java.util.Arrays;

/**
 * Learns how long a pool's workers take from their request until they are ready. For one thread.
 */
public final class StartUpLearner {
    private static final int REMEMBERED = 32;

    private final long[] millis = new long[REMEMBERED];
    private int count;

    /** A worker became ready so long after its request. */
    public void measured(long tookMillis) {
        if (tookMillis >= 0) {
            millis[count++ % REMEMBERED] = tookMillis;
        }
    }

    /**
     * The median of the last start-ups, rounded to a tenth of itself so that it does not change
     * with each of them.
     *
     * @param hint what holds until three have been seen
     */
    public long typicalMillis(long hint) {
        if (count < 3) {
            return hint;
        }
        long[] seen = Arrays.copyOf(millis, Math.min(count, REMEMBERED));
        Arrays.sort(seen);
        double median = Math.max(1, seen[seen.length / 2]);
        double steps = Math.round(Math.log(median) / Math.log(1.1));
        return Math.round(Math.pow(1.1, steps));
    }
}
