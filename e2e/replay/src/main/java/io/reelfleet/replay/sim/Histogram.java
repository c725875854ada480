package io.reelfleet.replay.sim;

import java.util.Arrays;

/**
 * Counts of values in bins that grow by 0.5 %; the worst value is exact. For latencies in
 * milliseconds and decisions in microseconds alike.
 */
public final class Histogram {
    private static final double GROWTH = Math.log(1.005);

    /** The lower end of the first bin. */
    private static final double LEAST = 1e-3;

    private long[] count = new long[256];
    private long total;
    private double worst;

    /** Counts a value {@code times} times; not negative. */
    public void add(double value, long times) {
        int bin = value <= LEAST ? 0 : Math.max(0, 1 + (int) (Math.log(value / LEAST) / GROWTH));
        if (bin >= count.length) {
            count = Arrays.copyOf(count, Math.max(2 * count.length, bin + 1));
        }
        count[bin] += times;
        total += times;
        worst = Math.max(worst, value);
    }

    /** How many values there are. */
    public long total() {
        return total;
    }

    /** The largest value; 0 when there is none. */
    public double worst() {
        return worst;
    }

    /** The value below which a share of the values lies, to 0.5 %; 0 when there is none. */
    public double percentile(double share) {
        long rank = (long) Math.ceil(share * total);
        long seen = 0;
        for (int i = 0; i < count.length; i++) {
            seen += count[i];
            if (seen >= rank && seen > 0) {
                return Math.min(worst, middle(i));
            }
        }
        return worst;
    }

    /** The bins that hold something: rows of {value, count}, growing. */
    double[][] bins() {
        double[][] bins = new double[count.length][];
        int n = 0;
        for (int i = 0; i < count.length; i++) {
            if (count[i] > 0) {
                bins[n++] = new double[] {Math.min(worst, middle(i)), count[i]};
            }
        }
        return Arrays.copyOf(bins, n);
    }

    private static double middle(int bin) {
        return bin == 0 ? LEAST : LEAST * Math.exp((bin - 0.5) * GROWTH);
    }
}
