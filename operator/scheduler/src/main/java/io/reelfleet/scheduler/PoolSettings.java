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

    /**
     * A pool under the conditions that everything here is compared under: start-up 30 s, chunks of
     * 0.75 s of which 1 % may come later than an interval, nothing spare, latency in proportion to
     * the sessions of a worker. {@code minWorkers} of them in {@link Mode#MANUAL}.
     */
    public static Builder of(Mode mode, int capacity, int minWorkers, int maxWorkers) {
        Builder builder = new Builder();
        builder.mode = mode;
        builder.capacity = capacity;
        builder.minWorkers = minWorkers;
        builder.maxWorkers = maxWorkers;
        builder.manualWorkers = minWorkers;
        return builder;
    }

    /** These settings, to change some of them. */
    public Builder with() {
        Builder builder = of(mode, capacity, minWorkers, maxWorkers);
        builder.manualWorkers = manualWorkers;
        builder.workersPerPod = workersPerPod;
        builder.downDelayMillis = downDelayMillis;
        builder.startUpMillis = startUpMillis;
        builder.latencyTargetMillis = latencyTargetMillis;
        builder.lateBudget = lateBudget;
        builder.chunkIntervalMillis = chunkIntervalMillis;
        builder.migration = migration;
        builder.maxMoves = maxMoves;
        builder.idleTimeoutMillis = idleTimeoutMillis;
        builder.latency = latency;
        builder.economy = economy;
        builder.state = state;
        return builder;
    }

    /** Settings in the making; each method is named after the component that it sets. */
    public static final class Builder {
        private Mode mode;
        private int capacity;
        private int minWorkers;
        private int maxWorkers;
        private int manualWorkers;
        private int workersPerPod = 1;
        private long downDelayMillis = 60_000;
        private long startUpMillis = 30_000;
        private long latencyTargetMillis = 750;
        private double lateBudget = 0.01;
        private long chunkIntervalMillis = 750;
        private boolean migration = true;
        private int maxMoves = 2;
        private long idleTimeoutMillis;
        private LatencyProfile latency;
        private Economy economy = Economy.PLAIN;
        private StateCosts state = StateCosts.PUBLISHED;

        private Builder() {}

        /** C, and L(n) where it was learned; null where it is in proportion. */
        public Builder capacity(int sessions, LatencyProfile profile) {
            capacity = sessions;
            latency = profile;
            return this;
        }

        public Builder limits(int min, int max) {
            minWorkers = min;
            maxWorkers = max;
            return this;
        }

        public Builder manualWorkers(int value) {
            manualWorkers = value;
            return this;
        }

        public Builder workersPerPod(int value) {
            workersPerPod = value;
            return this;
        }

        public Builder downDelayMillis(long value) {
            downDelayMillis = value;
            return this;
        }

        public Builder startUpMillis(long value) {
            startUpMillis = value;
            return this;
        }

        public Builder latencyTargetMillis(long value) {
            latencyTargetMillis = value;
            return this;
        }

        public Builder lateBudget(double value) {
            lateBudget = value;
            return this;
        }

        public Builder chunkIntervalMillis(long value) {
            chunkIntervalMillis = value;
            return this;
        }

        public Builder migration(boolean value) {
            migration = value;
            return this;
        }

        public Builder maxMoves(int value) {
            maxMoves = value;
            return this;
        }

        public Builder idleTimeoutMillis(long value) {
            idleTimeoutMillis = value;
            return this;
        }

        public Builder economy(Economy value) {
            economy = value;
            return this;
        }

        public Builder state(StateCosts value) {
            state = value;
            return this;
        }

        /**
         * @throws IllegalArgumentException where no decision could be right for them
         */
        public PoolSettings build() {
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
                    economy,
                    state);
        }
    }
}
