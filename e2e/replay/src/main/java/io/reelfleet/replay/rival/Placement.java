package io.reelfleet.replay.rival;

/** Where sessions go. */
interface Placement {
    /** A worker for a session that waits, or {@link io.reelfleet.scheduler.Fleet#NONE}. */
    int choose(Draft draft, int session);

    /** Whether a session that wakes is placed anew, wherever its state is. */
    default boolean placesAtResume() {
        return false;
    }

    /** Whether sessions are moved off a worker that is to be given back. */
    default boolean empties() {
        return false;
    }

    /** Moves running sessions, after the waiting ones have been placed. */
    default void rebalance(Draft draft) {}

    /** When it wants to be asked again, milliseconds. */
    default long next(long now) {
        return Long.MAX_VALUE;
    }
}
