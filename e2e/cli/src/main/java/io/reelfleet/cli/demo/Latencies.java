package io.reelfleet.cli.demo;

import java.util.Arrays;
import java.util.Collection;

/**
 * Chunk latencies, in seconds.
 *
 * @param count how many
 * @param p50 median
 * @param p99 nearest rank
 * @param worst the largest
 */
record Latencies(int count, double p50, double p99, double worst) {
    static Latencies of(Collection<Double> seconds) {
        double[] sorted = seconds.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        int n = sorted.length;
        return n == 0
                ? new Latencies(0, 0, 0, 0)
                : new Latencies(n, rank(sorted, 0.5), rank(sorted, 0.99), sorted[n - 1]);
    }

    private static double rank(double[] sorted, double q) {
        return sorted[Math.max(0, (int) Math.ceil(q * sorted.length) - 1)];
    }
}
