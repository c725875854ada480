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
 * @param latency L(n), as learned; null: proportional to n, with {@code capacity} sessions inside
 *     the latency target
 * @param economy what is paid for, and what is kept spare
 * @param state what a session's state weighs and how fast it moves
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
        long idleTimeoutMillis,
        LatencyProfile latency,
        Economy economy,
        StateCosts state) {

    /**
     * What is paid for, and what is kept spare.
     *
     * @param warmSpare workers kept ready beyond what the load needs
     * @param workersPerNode workers that are paid for together; 1 when each is paid for by itself
     */
    public record Economy(int warmSpare, int workersPerNode) {
        /** Each worker is paid for by itself, and none is kept spare. */
        public static final Economy PLAIN = new Economy(0, 1);

        /** Refuses what no decision could be right for. */
        public Economy {
            if (warmSpare < 0 || workersPerNode < 1) {
                throw new IllegalArgumentException(
                        "warmSpare %d, workersPerNode %d; write 0 or more and 1 or more"
                                .formatted(warmSpare, workersPerNode));
            }
        }
    }

    /**
     * What a session's state weighs and how fast it moves: a transfer of b bytes takes alpha + b /
     * bandwidth.
     *
     * @param bytes of one ordinary session
     * @param hostBytesPerSecond between a device and its host memory
     * @param workerBytesPerSecond between two workers
     * @param alphaMillis what a transfer takes before its first byte
     */
    public record StateCosts(
            long bytes,
            double hostBytesPerSecond,
            double workerBytesPerSecond,
            double alphaMillis) {
        /** DESIGN section 5's 1.3B model: 5.4 GB, 20 GB/s to the host, 40 GB/s between workers. */
        public static final StateCosts PUBLISHED = new StateCosts(5_400_000_000L, 20e9, 40e9, 5);

        /** Milliseconds from one worker to another. */
        public double moveMillis() {
            return alphaMillis + bytes / workerBytesPerSecond * 1000;
        }

        /** Milliseconds from a device to its host memory, or back. */
        public double hostMillis() {
            return alphaMillis + bytes / hostBytesPerSecond * 1000;
        }
    }

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

    /** A pool with nothing spare, whose latency grows in proportion. */
    public PoolSettings(
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
        this(
                mode,
                capacity,
                minWorkers,
                maxWorkers,
                manualWorkers,
                workersPerPod,
                downDelayMillis,
                startUpMillis,
                latencyTargetMillis,
                lateBudget,
                chunkIntervalMillis,
                migration,
                maxMoves,
                idleTimeoutMillis,
                null,
                Economy.PLAIN,
                StateCosts.PUBLISHED);
    }

    /** The same with another C and L(n). */
    public PoolSettings withCapacity(int sessions, LatencyProfile profile) {
        return new PoolSettings(
                mode,
                sessions,
                minWorkers,
                maxWorkers,
                manualWorkers,
                workersPerPod,
                downDelayMillis,
                startUpMillis,
                latencyTargetMillis,
                lateBudget,
                chunkIntervalMillis,
                migration,
                maxMoves,
                idleTimeoutMillis,
                profile,
                economy,
                state);
    }

    /** The same with another start-up time. */
    public PoolSettings withStartUpMillis(long millis) {
        return new PoolSettings(
                mode,
                capacity,
                minWorkers,
                maxWorkers,
                manualWorkers,
                workersPerPod,
                downDelayMillis,
                millis,
                latencyTargetMillis,
                lateBudget,
                chunkIntervalMillis,
                migration,
                maxMoves,
                idleTimeoutMillis,
                latency,
                economy,
                state);
    }

    /** The same with another chunk interval. */
    public PoolSettings withChunkIntervalMillis(long millis) {
        return new PoolSettings(
                mode,
                capacity,
                minWorkers,
                maxWorkers,
                manualWorkers,
                workersPerPod,
                downDelayMillis,
                startUpMillis,
                latencyTargetMillis,
                lateBudget,
                millis,
                migration,
                maxMoves,
                idleTimeoutMillis,
                latency,
                economy,
                state);
    }

    /** The same with so many workers paid for together. */
    public PoolSettings withWorkersPerNode(int workers) {
        return new PoolSettings(
                mode,
                capacity,
                minWorkers,
                maxWorkers,
                manualWorkers,
                workersPerPod,
                downDelayMillis,
                startUpMillis,
                latencyTargetMillis,
                lateBudget,
                chunkIntervalMillis,
                migration,
                maxMoves,
                idleTimeoutMillis,
                latency,
                new Economy(economy.warmSpare(), workers),
                state);
    }

    /** The same with other limits. */
    public PoolSettings withLimits(int min, int max) {
        return new PoolSettings(
                mode,
                capacity,
                min,
                max,
                manualWorkers,
                workersPerPod,
                downDelayMillis,
                startUpMillis,
                latencyTargetMillis,
                lateBudget,
                chunkIntervalMillis,
                migration,
                maxMoves,
                idleTimeoutMillis,
                latency,
                economy,
                state);
    }
}
