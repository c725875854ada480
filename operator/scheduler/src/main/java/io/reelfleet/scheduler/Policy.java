package io.reelfleet.scheduler;

/**
 * Decides which worker runs which session and how many workers there are. Implementations are pure:
 * no clock, no input or output, no randomness, no memory from one call to the next. What they need
 * to know of the past is in the snapshot.
 */
public interface Policy {

    /** The plan for this instant; an empty list of actions when all is as it should be. */
    Plan decide(FleetSnapshot snapshot);
}
