package io.reelfleet.replay;

/**
 * One spell in which a session wants chunks.
 *
 * @param start seconds from the trace's beginning, at least 0
 * @param end seconds from the trace's beginning, after {@code start}
 */
public record Burst(double start, double end) {
    /** Refuses a spell that is not one. */
    public Burst {
        if (!(start >= 0) || !(end > start) || Double.isInfinite(end)) {
            throw new IllegalArgumentException(
                    "a burst needs 0 <= start < end, not " + start + " and " + end);
        }
    }

    /** How long it lasts, in seconds. */
    public double seconds() {
        return end - start;
    }
}
