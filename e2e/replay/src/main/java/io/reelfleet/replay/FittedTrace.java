package io.reelfleet.replay;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * A trace made small enough for a machine: time is divided by one factor, bursts that would become
 * shorter than a few chunks are kept at that length, and whole sessions are left out, drawn by a
 * seed, until the most active at one time is what the fleet carries. Leaving out every k-th session
 * evenly keeps the shape of the load: its bursts stay bursts.
 *
 * @param trace what to drive
 * @param sessionsInTrace how many sessions the original has
 * @param timeCompression original seconds for one second here, at least 1
 */
public record FittedTrace(Trace trace, int sessionsInTrace, double timeCompression) {
    /**
     * What the machine and the person's patience allow.
     *
     * @param seconds the fitted trace ends by then
     * @param peakActive most sessions active at one time
     * @param shortestBurst seconds; a burst lasts at least as long
     * @param shortestIdle seconds; a shorter idle spell joins the bursts beside it
     */
    public record Limits(
            double seconds, int peakActive, double shortestBurst, double shortestIdle) {
        /** Refuses limits under which no session fits. */
        public Limits {
            if (peakActive < 1) {
                throw new IllegalArgumentException("peakActive: write at least 1");
            }
            if (!(shortestBurst > 0) || !(shortestIdle >= 0) || !(seconds >= shortestBurst)) {
                throw new IllegalArgumentException(
                        String.format(
                                Locale.ROOT,
                                "seconds: write at least %.1f, the length of the shortest burst",
                                shortestBurst));
            }
        }
    }

    /** The same trace, limits and seed give the same result. */
    public static FittedTrace fit(Trace trace, Limits limits, long seed) {
        double factor = Math.max(1, trace.seconds() / limits.seconds());
        List<TraceSession> squeezed = new ArrayList<>(trace.sessions().size());
        for (TraceSession session : trace.sessions()) {
            squeezed.add(squeeze(session, factor, limits));
        }
        List<TraceSession> kept = thin(squeezed, limits.peakActive(), seed);
        return new FittedTrace(new Trace(kept), trace.sessions().size(), factor);
    }

    /** {@code 580 of 8,057 sessions, time / 31}: terminal, report and summary say it alike. */
    public String sentence() {
        String factor =
                timeCompression >= 100 || timeCompression == Math.rint(timeCompression)
                        ? String.format(Locale.ROOT, "%,.0f", timeCompression)
                        : String.format(Locale.ROOT, "%.1f", timeCompression);
        return String.format(
                Locale.ROOT,
                "%,d of %,d sessions, time / %s",
                trace.sessions().size(),
                sessionsInTrace,
                factor);
    }

    private static TraceSession squeeze(TraceSession session, double factor, Limits limits) {
        List<Burst> bursts = new ArrayList<>();
        for (Burst burst : session.bursts()) {
            double start = burst.start() / factor;
            double end = Math.max(burst.end() / factor, start + limits.shortestBurst());
            if (end > limits.seconds()) {
                end = limits.seconds();
                start = Math.min(start, end - limits.shortestBurst());
            }
            if (!bursts.isEmpty() && start < bursts.getLast().end() + limits.shortestIdle()) {
                Burst before = bursts.removeLast();
                start = before.start();
                end = Math.max(before.end(), end);
            }
            bursts.add(new Burst(Math.max(0, start), end));
        }
        return new TraceSession(session.id(), bursts);
    }

    /**
     * Keeps the first n sessions of a seeded order, n as large as the peak allows. One more session
     * never lowers the peak, so the largest n is found by bisection, and a larger fleet keeps all
     * that a smaller one keeps.
     */
    private static List<TraceSession> thin(List<TraceSession> sessions, int peak, long seed) {
        int[] rank = ranks(sessions.size(), seed);
        int low = 0;
        int high = sessions.size();
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (new Trace(firstByRank(sessions, rank, middle)).peakActive() <= peak) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return firstByRank(sessions, rank, low);
    }

    private static List<TraceSession> firstByRank(
            List<TraceSession> sessions, int[] rank, int count) {
        List<TraceSession> kept = new ArrayList<>(count);
        for (int i = 0; i < rank.length; i++) {
            if (rank[i] < count) {
                kept.add(sessions.get(i));
            }
        }
        kept.sort(Comparator.comparingDouble(TraceSession::opens));
        return kept;
    }

    private static int[] ranks(int size, long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        int[] rank = new int[size];
        Arrays.setAll(rank, i -> i);
        for (int i = size - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swap = rank[i];
            rank[i] = rank[j];
            rank[j] = swap;
        }
        return rank;
    }
}
