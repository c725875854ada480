package io.reelfleet.replay.sim;

import io.reelfleet.scheduler.LatencyProfile;
import java.util.Arrays;
import java.util.Comparator;

/**
 * The latencies of all chunks of a run: exact ones of chunks that only shared a worker, binned ones
 * of chunks that waited.
 */
public final class ChunkLatencies {
    private final LatencyProfile profile;
    private long[] shared = new long[16];
    private final Histogram waited = new Histogram();
    private int most;

    ChunkLatencies(LatencyProfile profile) {
        this.profile = profile;
    }

    /** Those of chunks that were measured one by one, seconds. */
    public static ChunkLatencies measured(LatencyProfile profile, double[] seconds) {
        ChunkLatencies all = new ChunkLatencies(profile);
        for (double s : seconds) {
            all.waited(1000 * s);
        }
        return all;
    }

    void shared(int n, long chunks) {
        if (n >= shared.length) {
            shared = Arrays.copyOf(shared, Math.max(2 * shared.length, n + 1));
        }
        shared[n] += chunks;
        most = Math.max(most, n);
    }

    void waited(double millis) {
        waited.add(millis, 1);
    }

    /** How many chunks there are. */
    public long total() {
        return Arrays.stream(shared).sum() + waited.total();
    }

    /** The longest latency, seconds. */
    public double worstSeconds() {
        return Math.max(profile.at(most), waited.worst()) / 1000;
    }

    /**
     * The latency that a share of the chunks does not exceed, seconds.
     *
     * @param share 0.99 for p99
     */
    public double percentileSeconds(double share) {
        double[][] all = curve();
        return all.length == 0 ? 0 : at(all, share);
    }

    /**
     * The distribution: rows of {seconds, share of chunks at most so late}, growing. At most a few
     * thousand rows.
     */
    public double[][] curve() {
        double[][] bins = waited.bins();
        double[][] points = new double[bins.length + most + 1][];
        int n = 0;
        for (double[] bin : bins) {
            points[n++] = bin;
        }
        for (int k = 0; k <= most; k++) {
            if (shared[k] > 0) {
                points[n++] = new double[] {profile.at(k), shared[k]};
            }
        }
        points = Arrays.copyOf(points, n);
        Arrays.sort(points, Comparator.comparingDouble(p -> p[0]));
        double total = total();
        double seen = 0;
        for (double[] p : points) {
            seen += p[1];
            p[0] /= 1000;
            p[1] = seen / total;
        }
        return points;
    }

    private static double at(double[][] curve, double share) {
        for (double[] p : curve) {
            if (p[1] >= share - 1e-12) {
                return p[0];
            }
        }
        return curve[curve.length - 1][0];
    }
}
