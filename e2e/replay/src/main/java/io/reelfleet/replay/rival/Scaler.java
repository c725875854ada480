package io.reelfleet.replay.rival;

import io.reelfleet.scheduler.Fleet;

/** How many GPUs there should be. */
interface Scaler {
    /**
     * How many there should be.
     *
     * @param current how many there are or are on their way, those to be given back not counted
     */
    int wanted(Fleet fleet, int current);

    /** When it wants to be asked again, milliseconds; {@link Long#MAX_VALUE}: at the next event. */
    long next(Fleet fleet);

    /**
     * The most sessions the system around it puts on one worker; the others wait in its queue.
     *
     * @param capacity C
     */
    default int admitted(int capacity) {
        return Integer.MAX_VALUE;
    }
}
