package io.reelfleet.scheduler;

import java.util.List;

/**
 * Everything a policy may look at, at one instant: a decision is a pure function of it.
 *
 * @param nowMillis the time of the snapshot, milliseconds since the caller's epoch (wall clock in
 *     the operator, the trace's start in a simulation)
 * @param pool what the pool's owner asked for
 * @param workers every worker that has been requested and is not gone, in the order of their
 *     requests
 * @param sessions every session that is not finished, in the order in which they were opened
 * @param demand how many sessions wanted chunks, over the recent past
 * @param outlook what has been learned from the past
 */
public record FleetSnapshot(
        long nowMillis,
        PoolSettings pool,
        List<WorkerSnapshot> workers,
        List<SessionSnapshot> sessions,
        DemandHistory demand,
        Outlook outlook) {

    /** Copies the lists: a snapshot never changes. */
    public FleetSnapshot {
        workers = List.copyOf(workers);
        sessions = List.copyOf(sessions);
    }

    /** A snapshot of a pool of which nothing has been learned. */
    public FleetSnapshot(
            long nowMillis,
            PoolSettings pool,
            List<WorkerSnapshot> workers,
            List<SessionSnapshot> sessions,
            DemandHistory demand) {
        this(nowMillis, pool, workers, sessions, demand, Outlook.NONE);
    }
}
