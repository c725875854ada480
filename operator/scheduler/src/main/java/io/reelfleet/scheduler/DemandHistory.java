package io.reelfleet.scheduler;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * How many sessions wanted chunks at once, over the recent past: a step function. Whoever runs a
 * policy (the operator, a simulator) records into a {@link Recorder} and puts what it holds into
 * each snapshot, so that delays and forecasts need no hidden state in the policy.
 *
 * @param steps the changes, oldest first; a step holds until the next one
 */
public record DemandHistory(List<Step> steps) {

    /** From {@code atMillis} on, {@code active} sessions wanted chunks. */
    public record Step(long atMillis, int active) {}

    /** Copies the list. */
    public DemandHistory {
        steps = List.copyOf(steps);
    }

    /** Nothing known. */
    public static DemandHistory none() {
        return new DemandHistory(List.of());
    }

    /**
     * The highest demand in force at any time since {@code fromMillis}; 0 when nothing is known.
     */
    public int peakSince(long fromMillis) {
        int peak = 0;
        for (int i = 0; i < steps.size(); i++) {
            boolean endsBefore = i + 1 < steps.size() && steps.get(i + 1).atMillis() <= fromMillis;
            if (!endsBefore) {
                peak = Math.max(peak, steps.get(i).active());
            }
        }
        return peak;
    }

    /** Keeps the history of one pool over a window; for one thread. */
    public static final class Recorder {
        private final long windowMillis;
        private final Deque<Step> steps = new ArrayDeque<>();

        /**
         * @param windowMillis how far back it remembers
         */
        public Recorder(long windowMillis) {
            this.windowMillis = windowMillis;
        }

        /** From now on, {@code active} sessions want chunks. */
        public void record(long nowMillis, int active) {
            if (steps.isEmpty() || steps.peekLast().active() != active) {
                steps.addLast(new Step(nowMillis, active));
            }
            // The step in force when the window began stays: it reaches into it.
            while (steps.size() > 1) {
                Step first = steps.pollFirst();
                if (steps.peekFirst().atMillis() > nowMillis - windowMillis) {
                    steps.addFirst(first);
                    break;
                }
            }
        }

        /** What is remembered now. */
        public DemandHistory history() {
            return new DemandHistory(new ArrayList<>(steps));
        }
    }
}
