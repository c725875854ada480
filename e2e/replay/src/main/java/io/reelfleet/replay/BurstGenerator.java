package io.reelfleet.replay;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Makes a trace from a seed, in the time it will be driven in: a base load of sessions that speak
 * in bursts with idle spells between them, one session that rests long enough to be parked and
 * comes back, and a burst of newcomers in the middle that takes the load to its peak, so that a
 * fleet has to grow and can shrink again.
 */
public final class BurstGenerator {
    private BurstGenerator() {}

    /**
     * What to make.
     *
     * @param seconds the trace's length
     * @param peakActive sessions active at the height of the burst; never more
     * @param shortestBurst seconds
     */
    public record Shape(double seconds, int peakActive, double shortestBurst) {
        /** Refuses a shape into which no burst fits. */
        public Shape {
            if (peakActive < 1) {
                throw new IllegalArgumentException("peakActive: write at least 1");
            }
            if (!(shortestBurst > 0) || !(seconds >= shortestBurst)) {
                throw new IllegalArgumentException(
                        "seconds: write at least "
                                + shortestBurst
                                + ", the length of the shortest burst");
            }
        }
    }

    /** The same shape and seed give the same trace. */
    public static Trace generate(Shape shape, long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        double t = shape.seconds();
        double least = shape.shortestBurst();
        int peak = shape.peakActive();
        // Never so large a base that the burst could not be seen.
        int base = Math.max(Math.min(2, peak), peak / 3);
        List<TraceSession> sessions = new ArrayList<>();

        // The one that is parked: active, away for at least a quarter of the time, back before the
        // end.
        double first = Math.max(least, 0.15 * t);
        double back = Math.max(first + 0.25 * t, 0.72 * t);
        if (back + least <= t) {
            sessions.add(
                    session(
                            "resting",
                            new Burst(0, first),
                            new Burst(back, Math.min(t, back + Math.max(least, 0.18 * t)))));
        } else {
            sessions.add(session("resting", new Burst(0, Math.min(t, first))));
        }

        for (int i = 1; i < base; i++) {
            sessions.add(
                    new TraceSession(
                            "base-" + i,
                            alternating(random, random.nextDouble(0, 0.1 * t), t, least)));
        }

        // The burst: newcomers within a few seconds of 40 % of the time, gone by 70 %.
        // The resting session is away then.
        int newcomers = peak - base + 1;
        double arrive = 0.38 * t;
        for (int i = 0; i < newcomers; i++) {
            double start = arrive + random.nextDouble() * 0.06 * t;
            double end =
                    Math.min(t, start + Math.max(least, (0.16 + 0.10 * random.nextDouble()) * t));
            if (end - start >= least) {
                sessions.add(session("burst-" + i, new Burst(start, end)));
            }
        }
        // In a short trace bursts are as long as they must be, and the resting session may be back
        // before all have left.
        while (sessions.size() > 1 && new Trace(sessions).peakActive() > peak) {
            sessions.removeLast();
        }
        sessions.sort(Comparator.comparingDouble(TraceSession::opens));
        return new Trace(sessions);
    }

    private static TraceSession session(String id, Burst... bursts) {
        return new TraceSession(id, List.of(bursts));
    }

    /** Bursts of 15 to 30 % of the time, with spells of 8 to 20 % between them. */
    private static List<Burst> alternating(
            RandomGenerator random, double from, double t, double least) {
        List<Burst> bursts = new ArrayList<>();
        double at = Math.min(from, t - least);
        while (at + least <= t) {
            double end = Math.min(t, at + Math.max(least, (0.15 + 0.15 * random.nextDouble()) * t));
            bursts.add(new Burst(at, end));
            at = end + Math.max(least / 2, (0.08 + 0.12 * random.nextDouble()) * t);
        }
        return bursts;
    }
}
