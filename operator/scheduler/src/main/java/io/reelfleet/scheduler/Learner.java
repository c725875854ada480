package io.reelfleet.scheduler;

/**
 * Watches one pool's demand and condenses it into an {@link Outlook}, which stands in the snapshot:
 * so a decision stays a pure function of its snapshot although it knows the past. For one thread.
 */
public interface Learner {

    /** Learns nothing. */
    Learner NONE = (now, demand, due, late) -> Outlook.NONE;

    /**
     * From now on there is this demand. Called at every change of the demand, at every change of
     * who waits, and as often in between as is convenient; times never go back.
     *
     * @param nowMillis the instant
     * @param demand the summed weight of the sessions that want chunks
     * @param dueSeconds session-seconds of video that were wanted since the pool began
     * @param lateSeconds how many of those came late
     * @return what is known now; the same object while nothing changes
     */
    Outlook observe(long nowMillis, double demand, double dueSeconds, double lateSeconds);

    /** What goes on with other settings, keeping what is still true of what has been learned. */
    default Learner with(PoolSettings pool) {
        return this;
    }
}
