package io.reelfleet.replay;

import java.util.List;

/**
 * A session of a trace: open from its first burst's start to its last burst's end, active inside a
 * burst, idle between bursts.
 *
 * @param id its name in the trace
 * @param bursts at least one, in order, not overlapping
 */
public record TraceSession(String id, List<Burst> bursts) {
    /** Refuses bursts that overlap or are out of order. */
    public TraceSession {
        bursts = List.copyOf(bursts);
        if (bursts.isEmpty()) {
            throw new IllegalArgumentException("session " + id + " has no burst");
        }
        for (int i = 1; i < bursts.size(); i++) {
            if (bursts.get(i).start() < bursts.get(i - 1).end()) {
                throw new IllegalArgumentException(
                        "session " + id + ": burst " + i + " starts before the one before it ends");
            }
        }
    }

    /** When its first burst starts, seconds from the trace's beginning. */
    public double opens() {
        return bursts.getFirst().start();
    }

    /** When its last burst ends, seconds from the trace's beginning. */
    public double closes() {
        return bursts.getLast().end();
    }
}
