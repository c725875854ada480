package io.reelfleet.scheduler;

/**
 * One worker: one GPU, one process.
 *
 * @param name never used twice
 * @param phase where it stands
 * @param mustEmpty something outside (a node's drain, a spot notice) wants it empty
 * @param deviceBytesLimit bytes of device memory for sessions; 0 while unknown
 * @param sessionBytes bytes of device memory that one session of its model needs; 0 while unknown
 * @param requestedAtMillis when it was asked for
 * @param readyAtMillis when it could first take sessions; 0 before
 * @param emptySinceMillis since when no session is on it; 0 while there are some
 * @param chunkLatencyP99Millis over the last minute; 0 while unknown
 * @param node what it is paid for with; empty when by itself
 * @param capacity the most ordinary sessions it carries inside the latency target; 0: the pool's
 */
public record WorkerSnapshot(
        String name,
        Phase phase,
        boolean mustEmpty,
        long deviceBytesLimit,
        long sessionBytes,
        long requestedAtMillis,
        long readyAtMillis,
        long emptySinceMillis,
        double chunkLatencyP99Millis,
        String node,
        int capacity) {

    /** A worker like every other of its pool. */
    public WorkerSnapshot(
            String name,
            Phase phase,
            boolean mustEmpty,
            long deviceBytesLimit,
            long sessionBytes,
            long requestedAtMillis,
            long readyAtMillis,
            long emptySinceMillis,
            double chunkLatencyP99Millis) {
        this(
                name,
                phase,
                mustEmpty,
                deviceBytesLimit,
                sessionBytes,
                requestedAtMillis,
                readyAtMillis,
                emptySinceMillis,
                chunkLatencyP99Millis,
                "",
                0);
    }

    /** Where a worker stands. */
    public enum Phase {
        /** Asked for; nothing heard of it yet. */
        REQUESTED,
        /** It runs and loads its model. */
        LOADING,
        /** It takes sessions. */
        READY,
        /** It takes no more sessions and is to be released once it is empty. */
        DRAINING,
        /** It has fallen silent: its sessions are frozen until it speaks or is given up. */
        UNKNOWN
    }

    /** Whether it counts among the workers that will serve from now on. */
    boolean stays() {
        return phase != Phase.DRAINING && !mustEmpty;
    }

    /** Whether sessions can be put on it now. */
    boolean open() {
        return phase == Phase.READY && !mustEmpty;
    }

    /** The most sessions whose state its device memory holds at once. */
    long slots() {
        return deviceBytesLimit <= 0 || sessionBytes <= 0
                ? Long.MAX_VALUE
                : deviceBytesLimit / sessionBytes;
    }
}
