package io.reelfleet.operator.fleet;

import io.reelfleet.operator.workers.Leaving;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The one road on which a worker is emptied, whatever the reason: it takes nobody in; who generates
 * leaves first, moved live; then who is idle; then what the store already holds is dropped; then
 * suspended state is copied, as long as time is left. The policy says where to; this says whose
 * turn it is.
 */
final class Drain {
    /** What a copy of suspended state is taken to move at, in bytes a second: a cautious figure. */
    static final double COPY_RATE = 200e6;

    /** What a copy takes beside its bytes. */
    static final long COPY_MILLIS = 2_000;

    /** So long nothing may leave before suspended state is given up, where there is no deadline. */
    static final long PATIENCE_MILLIS = 120_000;

    /**
     * What the loop is to do by itself.
     *
     * @param drop sessions whose state is given up here; their logs have all that is needed
     * @param giveBack workers that will be taken away before they have begun
     */
    record Step(List<SessionEntry> drop, List<WorkerEntry> giveBack) {}

    /** In the order in which sessions leave. */
    private enum Turn {
        GENERATES,
        IDLE,
        DROPPED,
        COPIED
    }

    private Drain() {}

    /** Holds sessions back whose turn has not come, and says what the loop does itself. */
    static Step look(Collection<WorkerEntry> workers, Collection<SessionEntry> sessions, long now) {
        Map<String, WorkerEntry> leaving = new HashMap<>();
        for (WorkerEntry w : workers) {
            if (!w.stopping && w.emptying()) {
                leaving.put(w.name, w);
            }
        }
        Map<String, Turn> turns = new HashMap<>();
        for (SessionEntry s : sessions) {
            s.heldBack = false;
            if (leaving.containsKey(s.worker) && stays(s)) {
                turns.merge(s.worker, turn(s), (a, b) -> a.compareTo(b) < 0 ? a : b);
            }
        }
        List<SessionEntry> drop = new ArrayList<>();
        for (SessionEntry s : sessions) {
            WorkerEntry w = s.worker == null ? null : leaving.get(s.worker);
            if (w == null || !stays(s)) {
                continue;
            }
            Turn mine = turn(s);
            s.heldBack = mine != turns.get(s.worker);
            boolean free = !s.heldBack && !s.busy() && !s.frozen && s.retry.ready(now);
            if (free && (mine == Turn.DROPPED || mine == Turn.COPIED && tooLate(w, s, now))) {
                drop.add(s);
            }
        }
        List<WorkerEntry> giveBack = new ArrayList<>();
        for (WorkerEntry w : leaving.values()) {
            if (w.leaving() != null && !turns.containsKey(w.name) && begins(w)) {
                giveBack.add(w);
            }
        }
        return new Step(drop, giveBack);
    }

    /** One that another operator started, and that has not spoken yet, may have sessions. */
    private static boolean begins(WorkerEntry w) {
        if (w.readyAt != 0 || w.found && w.heardAt == 0) {
            return false;
        }
        return switch (w.phase()) {
            case REQUESTED, LOADING -> true;
            case READY, DRAINING, UNKNOWN -> false;
        };
    }

    /** Who is over or wanted no longer leaves by itself. */
    private static boolean stays(SessionEntry s) {
        return s.finished == null && s.closing == null;
    }

    private static Turn turn(SessionEntry s) {
        if (s.wish.active() && s.wantsChunks || s.worker != null && s.live != null) {
            return Turn.GENERATES;
        }
        if (!s.suspended()) {
            return Turn.IDLE;
        }
        return s.rebuildsExactly ? Turn.DROPPED : Turn.COPIED;
    }

    /** Nothing waits for ever for another worker to have room for what only saves time. */
    private static boolean tooLate(WorkerEntry w, SessionEntry s, long now) {
        if (now - w.lastLeftAt >= PATIENCE_MILLIS) {
            return true;
        }
        Leaving leaving = w.leaving();
        if (leaving == null || leaving.deadline() == null) {
            return false;
        }
        double millis = COPY_MILLIS + s.stateBytes / COPY_RATE * 1000;
        return now + millis > leaving.deadline().toEpochMilli();
    }
}
