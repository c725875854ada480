package io.reelfleet.scheduler;

/**
 * Decides which worker runs which session and how many workers there are. A decision is a pure
 * function of what it is given: no clock, no input or output, no randomness, no memory from one
 * call to the next. What a policy needs to know of the past is part of the state it is given; what
 * it learns from the past is kept by a {@link Learner} beside that state.
 */
public interface Policy {

    /** The plan for this instant; an empty list of actions when all is as it should be. */
    Plan decide(FleetSnapshot snapshot);

    /**
     * The same decision from the compact form, which a simulator or a large fleet keeps up to date
     * event by event instead of building a snapshot each time. Reads the fleet and never changes
     * it.
     */
    default Plan decide(Fleet fleet) {
        return decide(fleet.snapshot());
    }

    /** What watches the demand on this policy's behalf; one per pool. */
    default Learner learner(PoolSettings pool) {
        return Learner.NONE;
    }
}
