package io.reelfleet.replay;

import java.util.List;

/**
 * Sessions that come and go.
 *
 * @param sessions in the order in which they open
 */
public record Trace(List<TraceSession> sessions) {
    /** Keeps a copy of the list. */
    public Trace {
        sessions = List.copyOf(sessions);
    }

    /** When the last session closes, seconds from the trace's beginning; 0 for an empty trace. */
    public double seconds() {
        return sessions.stream().mapToDouble(TraceSession::closes).max().orElse(0);
    }

    /** All bursts of all sessions. */
    public int bursts() {
        return sessions.stream().mapToInt(s -> s.bursts().size()).sum();
    }

    /** Most sessions that are active at one time. */
    public int peakActive() {
        return Timeline.of(this).peakActive();
    }
}
