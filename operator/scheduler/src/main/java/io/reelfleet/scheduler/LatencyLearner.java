package io.reelfleet.scheduler;

import java.util.Arrays;

/**
 * Learns L(n) of one model on one type of GPU from the chunk latencies that workers report: the
 * mean at each n, made monotone by pooling neighbours that fall (pool adjacent violators, the
 * least-squares answer under the condition that more sessions never make chunks faster). For one
 * thread.
 */
public final class LatencyLearner {
    /** What has been measured counts half after so many samples more at the same n. */
    private static final double MEMORY = 2_000;

    /** What is left of what was known of an n after one more chunk. */
    static final double KEEP = Math.pow(0.5, 1 / MEMORY);

    private final double[] sum;
    private final double[] weight;
    private int highest;

    /**
     * @param most the highest n that is told apart; higher ones are left out
     */
    public LatencyLearner(int most) {
        sum = new double[most + 1];
        weight = new double[most + 1];
    }

    /** Chunks of a worker that served n sessions took so long each. */
    public void measured(int n, double millis, int chunks) {
        if (n < 1 || n >= sum.length || !(millis > 0) || chunks < 1) {
            return;
        }
        double keep = Math.pow(0.5, chunks / MEMORY);
        sum[n] = sum[n] * keep + millis * chunks;
        weight[n] = weight[n] * keep + chunks;
        highest = Math.max(highest, n);
    }

    /** What has been measured of more than n sessions does not count any longer. */
    void forgetAbove(int n) {
        for (int i = n + 1; i < sum.length; i++) {
            sum[i] = 0;
            weight[i] = 0;
        }
        highest = Math.min(highest, n);
    }

    /** How many chunks have been measured, those long ago less. */
    public double samples() {
        return Arrays.stream(weight).sum();
    }

    /**
     * The profile.
     *
     * @param assumed stands in for an n that has not been measured, and counts as much as {@code
     *     doubt} chunks at each n
     */
    public LatencyProfile profile(LatencyProfile assumed, double doubt) {
        int n = Math.max(1, highest);
        double[] mean = new double[n];
        double[] w = new double[n];
        for (int i = 0; i < n; i++) {
            w[i] = weight[i + 1] + doubt;
            mean[i] = (sum[i + 1] + doubt * assumed.at(i + 1)) / w[i];
        }
        return new LatencyProfile(monotone(mean, w));
    }

    /** The closest sequence that never falls, by weighted least squares. */
    static double[] monotone(double[] values, double[] weights) {
        int n = values.length;
        double[] level = new double[n];
        double[] mass = new double[n];
        int[] length = new int[n];
        int blocks = 0;
        for (int i = 0; i < n; i++) {
            level[blocks] = values[i];
            mass[blocks] = weights[i];
            length[blocks] = 1;
            blocks++;
            while (blocks > 1 && level[blocks - 2] > level[blocks - 1]) {
                double m = mass[blocks - 2] + mass[blocks - 1];
                level[blocks - 2] =
                        (level[blocks - 2] * mass[blocks - 2]
                                        + level[blocks - 1] * mass[blocks - 1])
                                / m;
                mass[blocks - 2] = m;
                length[blocks - 2] += length[blocks - 1];
                blocks--;
            }
        }
        double[] result = new double[n];
        int at = 0;
        for (int b = 0; b < blocks; b++) {
            Arrays.fill(result, at, at + length[b], level[b]);
            at += length[b];
        }
        return result;
    }
}
