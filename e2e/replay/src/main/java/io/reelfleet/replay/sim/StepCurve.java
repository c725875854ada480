package io.reelfleet.replay.sim;

import java.util.Arrays;

/** A whole number over time: it holds from each step until the next. */
public final class StepCurve {
    private long[] at = new long[64];
    private int[] value = new int[64];
    private int size;

    /** From an instant on, milliseconds; times never go back. */
    public void step(long atMillis, int to) {
        if (size > 0 && value[size - 1] == to) {
            return;
        }
        if (size > 0 && at[size - 1] == atMillis) {
            value[size - 1] = to;
            return;
        }
        if (size == at.length) {
            at = Arrays.copyOf(at, 2 * size);
            value = Arrays.copyOf(value, 2 * size);
        }
        at[size] = atMillis;
        value[size++] = to;
    }

    /** How many steps there are. */
    public int size() {
        return size;
    }

    /** When the i-th step is. */
    public long at(int i) {
        return at[i];
    }

    /** The value from the i-th step on. */
    public int value(int i) {
        return value[i];
    }

    /** The largest value; 0 without steps. */
    public int peak() {
        int peak = 0;
        for (int i = 0; i < size; i++) {
            peak = Math.max(peak, value[i]);
        }
        return peak;
    }

    /**
     * The largest and the smallest value in each of {@code n} equal parts of a time: rows of
     * {smallest, largest}.
     */
    public int[][] bands(long fromMillis, long toMillis, int n) {
        int[][] bands = new int[n][];
        int i = 0;
        int now = 0;
        for (int b = 0; b < n; b++) {
            long end = fromMillis + Math.round((toMillis - fromMillis) * (b + 1.0) / n);
            long start = fromMillis + Math.round((toMillis - fromMillis) * (double) b / n);
            while (i < size && at[i] <= start) {
                now = value[i++];
            }
            int low = now;
            int high = now;
            while (i < size && at[i] < end) {
                now = value[i++];
                low = Math.min(low, now);
                high = Math.max(high, now);
            }
            bands[b] = new int[] {low, high};
        }
        return bands;
    }

    /** The mean over each of {@code n} equal parts of a time. */
    public double[] means(long fromMillis, long toMillis, int n) {
        double[] mean = new double[n];
        double width = (toMillis - fromMillis) / (double) n;
        for (int i = 0; i < size; i++) {
            double from = Math.max(fromMillis, at[i]);
            double to = i + 1 < size ? Math.min(toMillis, at[i + 1]) : toMillis;
            int b = (int) Math.min(n - 1, Math.max(0, (from - fromMillis) / width));
            while (from < to && b < n) {
                double end = Math.min(to, fromMillis + (b + 1) * width);
                mean[b] += value[i] * (end - from) / width;
                from = end;
                b++;
            }
        }
        return mean;
    }
}
