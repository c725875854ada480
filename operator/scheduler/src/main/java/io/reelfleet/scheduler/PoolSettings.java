package io.reelfleet.scheduler;

/**
 * The settings of one pool that decisions depend on.
 *
 * @param mode who decides how many workers there are
 * @param capacity C, the most active sessions one worker carries inside the latency target
 * @param minWorkers never fewer, outside {@link Mode#MANUAL}
 * @param maxWorkers never more, outside {@link Mode#MANUAL}
 * @param manualWorkers how many in {@link Mode#MANUAL}
 * @param workersPerPod how many workers come and go together (GPUs per pod)
 * @param downDelayMillis how long the load must have been lower before workers are released
 * @param startUpMillis how long a worker takes from its request until it is ready, as hinted or
 *     measured
 * @param latencyTargetMillis the chunk latency that should be kept
 * @param lateBudget the share of chunks that may be later than the target, 0.01 is 1 %
 * @param chunkIntervalMillis seconds of video in one chunk, as milliseconds; 0 while unknown
 * @param migration whether a running session may be moved for the sake of the load
 * @param maxMoves the most moves under way at once
 * @param idleTimeoutMillis how long a session that wants no chunks keeps its device state; 0 for
 *     ever
 */
public record PoolSettings(
        Mode mode,
        int capacity,
        int minWorkers,
        int maxWorkers,
        int manualWorkers,
        int workersPerPod,
        long downDelayMillis,
        long startUpMillis,
        long latencyTargetMillis,
        double lateBudget,
        long chunkIntervalMillis,
        boolean migration,
        int maxMoves,
        long idleTimeoutMillis) {

    /** Who decides how many workers there are. */
    public enum Mode {
        /** The policy, looking ahead where it can. */
        PREDICTIVE,
        /** The policy, from what is there now. */
        REACTIVE,
        /** A person or another controller, through the pool's replicas. */
        MANUAL
    }

    /** Refuses what no decision could be right for. */
    public PoolSettings {
        if (capacity < 1) {
            throw new IllegalArgumentException("capacity is " + capacity + "; write 1 or more");
        }
        if (workersPerPod < 1) {
            throw new IllegalArgumentException(
                    "workersPerPod is " + workersPerPod + "; write 1 or more");
        }
        if (minWorkers < 0 || maxWorkers < minWorkers) {
            throw new IllegalArgumentException(
                    "minWorkers %d and maxWorkers %d; write 0 <= minWorkers <= maxWorkers"
                            .formatted(minWorkers, maxWorkers));
        }
        if (maxMoves < 1) {
            throw new IllegalArgumentException("maxMoves is " + maxMoves + "; write 1 or more");
        }
    }
}
