package io.reelfleet.operator.fleet;

import java.util.ArrayDeque;
import java.util.Deque;

/** Chunk latencies of the last minute; for one thread. */
final class LatencyWindow {
    private static final long WINDOW_MILLIS = 60_000;

    /** At most this many are kept: a busy pool's oldest ones leave early. */
    private static final int LIMIT = 20_000;

    private record Sample(long atMillis, double seconds) {}

    private final Deque<Sample> samples = new ArrayDeque<>();

    void add(long nowMillis, double seconds) {
        samples.addLast(new Sample(nowMillis, seconds));
        if (samples.size() > LIMIT) {
            samples.pollFirst();
        }
    }

    PoolView.Latency at(long nowMillis) {
        while (!samples.isEmpty() && samples.peekFirst().atMillis() < nowMillis - WINDOW_MILLIS) {
            samples.pollFirst();
        }
        if (samples.isEmpty()) {
            return PoolView.Latency.NONE;
        }
        double[] sorted = samples.stream().mapToDouble(Sample::seconds).sorted().toArray();
        return new PoolView.Latency(
                quantile(sorted, 0.5), quantile(sorted, 0.99), sorted[sorted.length - 1]);
    }

    /** The smallest value that at least {@code share} of all do not exceed. */
    static double quantile(double[] sorted, double share) {
        int rank = (int) Math.ceil(share * sorted.length);
        return sorted[Math.clamp(rank - 1, 0, sorted.length - 1)];
    }
}
