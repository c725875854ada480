package io.reelfleet.replay;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A trace as one list of events in time order: what a driver walks through, waiting in wall time or
 * jumping in virtual time.
 *
 * @param events by time; at equal times what ends comes before what starts, so that a burst that
 *     begins where another ends does not count twice
 */
public record Timeline(List<Event> events) {
    /** Keeps a copy of the list. */
    public Timeline {
        events = List.copyOf(events);
    }

    /** What happens to a session. */
    public enum Kind {
        /** Its last burst is over: it leaves. */
        CLOSE,
        /** A burst is over and another will come. */
        IDLE,
        /** A burst after the first begins. */
        ACTIVATE,
        /** It arrives, and its first burst begins. */
        OPEN
    }

    /**
     * One event.
     *
     * @param at seconds from the trace's beginning
     * @param kind what happens
     * @param session to which session
     */
    public record Event(double at, Kind kind, TraceSession session) {}

    /** The events of a trace. */
    public static Timeline of(Trace trace) {
        List<Event> events = new ArrayList<>();
        for (TraceSession session : trace.sessions()) {
            int last = session.bursts().size() - 1;
            for (int i = 0; i <= last; i++) {
                Burst burst = session.bursts().get(i);
                events.add(new Event(burst.start(), i == 0 ? Kind.OPEN : Kind.ACTIVATE, session));
                events.add(new Event(burst.end(), i == last ? Kind.CLOSE : Kind.IDLE, session));
            }
        }
        events.sort(Comparator.comparingDouble(Event::at).thenComparing(Event::kind));
        return new Timeline(events);
    }

    /** Most sessions that are active at one time. */
    public int peakActive() {
        int active = 0;
        int peak = 0;
        for (Event event : events) {
            active +=
                    switch (event.kind()) {
                        case OPEN, ACTIVATE -> 1;
                        case IDLE, CLOSE -> -1;
                    };
            peak = Math.max(peak, active);
        }
        return peak;
    }
}
