package io.reelfleet.scheduler;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Workers for what has lasted. Demand that has been there for a start-up time would be served by
 * now, had a worker been asked for when it began: so nobody is left waiting longer than that to
 * save a worker, whatever a rule learned elsewhere says. Such a worker is kept for as long again
 * after it was last needed, which is what asking for another one would cost (ski rental).
 */
final class SustainedDemand {
    private record Past(double until, double value) {}

    private final int capacity;

    /** Demands that lie behind, later ones larger; what was larger before a smaller one is moot. */
    private final Deque<Past> demands = new ArrayDeque<>();

    private final RecentMost needed = new RecentMost();

    private double demand;

    SustainedDemand(int capacity) {
        this.capacity = capacity;
    }

    /**
     * Takes note of the demand from {@code now} on.
     *
     * @param now seconds, never less than before
     * @param demandNow sessions that want chunks
     * @param startUp seconds that a worker takes to start
     * @return workers that there should be at least
     */
    int observe(double now, double demandNow, double startUp) {
        if (demandNow != demand) {
            needed.say(now, lasted(now, startUp), startUp);
            while (!demands.isEmpty() && demands.getLast().value() >= demand) {
                demands.removeLast();
            }
            demands.addLast(new Past(now, demand));
            demand = demandNow;
        }
        return needed.say(now, lasted(now, startUp), startUp);
    }

    /** Workers for the least demand of the last start-up time. */
    private int lasted(double now, double startUp) {
        while (!demands.isEmpty() && demands.getFirst().until() <= now - startUp) {
            demands.removeFirst();
        }
        double least = demands.isEmpty() ? demand : Math.min(demand, demands.getFirst().value());
        return (int) Math.ceil(least / capacity);
    }

    /** When the answer may be another one though the demand stays; infinite when it may not. */
    double nextChange(double startUp) {
        double lasts =
                demands.isEmpty() ? Double.POSITIVE_INFINITY : demands.getFirst().until() + startUp;
        return Math.min(lasts, needed.falls(startUp));
    }
}
