package io.reelfleet.replay.rival;

import java.util.Arrays;

/** The mean of a step function over a window that ends now. */
final class Meter {
    private long[] at = new long[64];
    private int[] value = new int[64];
    private int first;
    private int end;
    private final long window;

    /**
     * @param windowMillis the longest window that is asked for
     */
    Meter(long windowMillis) {
        window = windowMillis;
    }

    void record(long now, int to) {
        if (end > first && value[end - 1] == to) {
            return;
        }
        if (end > first && at[end - 1] == now) {
            value[end - 1] = to;
            return;
        }
        while (end - first > 1 && at[first + 1] <= now - window) {
            first++;
        }
        if (end == at.length) {
            int n = end - first;
            if (n > at.length / 2) {
                at = Arrays.copyOf(at, 2 * at.length);
                value = Arrays.copyOf(value, at.length);
            }
            System.arraycopy(at, first, at, 0, n);
            System.arraycopy(value, first, value, 0, n);
            first = 0;
            end = n;
        }
        at[end] = now;
        value[end++] = to;
    }

    /** Over the last {@code millis}; before the first record it was 0. */
    double mean(long now, long millis) {
        long from = now - millis;
        double sum = 0;
        long until = now;
        for (int i = end - 1; i >= first && until > from; i--) {
            long since = Math.max(from, at[i]);
            sum += value[i] * (double) (until - since);
            until = since;
        }
        return sum / millis;
    }
}
