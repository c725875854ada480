package io.reelfleet.scheduler;

import io.reelfleet.scheduler.PoolSettings.StateCosts;
import java.util.Arrays;

/**
 * Learns what moving a session between a pool's workers takes: this state, over this link. For one
 * thread.
 */
public final class MoveCostLearner {
    private static final int REMEMBERED = 32;
    private static final int ENOUGH = 3;

    private final double[] bytes = new double[REMEMBERED];
    private final double[] seconds = new double[REMEMBERED];
    private int count;

    /** A live move sent so many bytes, and took so long from the first of them to the end. */
    public void measured(long sent, double took) {
        if (sent > 0 && took > 0) {
            bytes[count % REMEMBERED] = sent;
            seconds[count++ % REMEMBERED] = took;
        }
    }

    /**
     * What the last moves took in the median.
     *
     * @param assumed what holds until three have been seen; what is not measured stays as it is
     */
    public StateCosts costs(StateCosts assumed) {
        if (count < ENOUGH) {
            return assumed;
        }
        double sent = median(bytes);
        double millis = Math.max(1, median(seconds) * 1000);
        double alpha = Math.min(assumed.alphaMillis(), millis / 2);
        return new StateCosts(
                Math.round(sent),
                assumed.hostBytesPerSecond(),
                sent / (millis - alpha) * 1000,
                alpha);
    }

    private double median(double[] of) {
        double[] seen = Arrays.copyOf(of, Math.min(count, REMEMBERED));
        Arrays.sort(seen);
        return seen[seen.length / 2];
    }
}
