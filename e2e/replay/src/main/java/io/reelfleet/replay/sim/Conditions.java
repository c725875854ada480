package io.reelfleet.replay.sim;

import io.reelfleet.scheduler.LatencyProfile;
import io.reelfleet.scheduler.PoolSettings;

/**
 * What the simulated world is like; the same for every policy that is compared.
 *
 * @param capacity C, the most sessions one worker serves inside the target
 * @param intervalMillis from one chunk's due time to the next one's
 * @param targetMillis a chunk is late when its latency exceeds this
 * @param latency L(n) of a worker that serves n sessions
 * @param startUp from a GPU's request until it serves
 * @param state what a session's state weighs and how fast it moves
 * @param cutOverMillis how long a live move stops its session, at its end
 * @param rebuildMillis how long a session takes to be built from its log when its state is lost
 * @param deviceSlots how many sessions' states a device holds, idle ones included
 * @param workerLifeSeconds mean time until a worker fails; 0: never
 * @param seed of start-up times, failures and policies that draw
 */
public record Conditions(
        int capacity,
        long intervalMillis,
        double targetMillis,
        LatencyProfile latency,
        StartUp startUp,
        PoolSettings.StateCosts state,
        long cutOverMillis,
        long rebuildMillis,
        int deviceSlots,
        double workerLifeSeconds,
        long seed) {
    private static final long DEVICE_BYTES = 80_000_000_000L;
    private static final int MOST_WORKERS = 100_000;

    /** The defaults of the comparison, with a capacity and a start-up time of one's own. */
    public static Conditions comparison(int capacity, StartUp startUp, long seed) {
        return of(capacity, 750, LatencyProfile.proportional(750, capacity), startUp, seed);
    }

    /** The comparison with a measured latency profile. */
    public static Conditions of(
            int capacity, long intervalMillis, LatencyProfile latency, StartUp startUp, long seed) {
        PoolSettings.StateCosts state = PoolSettings.StateCosts.PUBLISHED;
        // A 21-frame window is seven chunks, rebuilt one after the other by a worker of its own
        // pace.
        long rebuild = Math.round(7 * latency.at(1));
        return new Conditions(
                capacity,
                intervalMillis,
                intervalMillis,
                latency,
                startUp,
                state,
                25,
                rebuild,
                (int) Math.max(capacity, DEVICE_BYTES / state.bytes()),
                0,
                seed);
    }

    /** The same world in which workers fail after so many seconds on average. */
    public Conditions failing(double meanSeconds) {
        return new Conditions(
                capacity,
                intervalMillis,
                targetMillis,
                latency,
                startUp,
                state,
                cutOverMillis,
                rebuildMillis,
                deviceSlots,
                meanSeconds,
                seed);
    }

    /**
     * The pool as a policy sees it.
     *
     * @param lateBudget the share of chunks that may be late
     */
    public PoolSettings pool(double lateBudget) {
        return pool(PoolSettings.Mode.PREDICTIVE, 0, lateBudget);
    }

    /** The pool with a fixed number of workers, which a person has set. */
    public PoolSettings fixedPool(int workers, double lateBudget) {
        return pool(PoolSettings.Mode.MANUAL, workers, lateBudget);
    }

    private PoolSettings pool(PoolSettings.Mode mode, int workers, double lateBudget) {
        return PoolSettings.of(mode, capacity, 0, MOST_WORKERS)
                .manualWorkers(workers)
                .startUpMillis(startUp.meanMillis())
                .latencyTargetMillis(Math.round(targetMillis))
                .lateBudget(lateBudget)
                .chunkIntervalMillis(intervalMillis)
                .maxMoves(1_000)
                .capacity(capacity, latency)
                .state(state)
                .build();
    }

    long moveMillis() {
        return Math.round(state.moveMillis());
    }

    long hostMillis() {
        return Math.round(state.hostMillis());
    }
}
