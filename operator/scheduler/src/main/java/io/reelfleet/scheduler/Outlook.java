package io.reelfleet.scheduler;

/**
 * What the past says about the next minutes: how many sessions beyond those active now a pool
 * should have room for, and for how long it should keep room that is not needed.
 *
 * @param known whether anything has been learned; otherwise the policy's own caution holds
 * @param headroom sessions of room beyond the active ones
 * @param headroomPerRoot further room per square root of the active sessions: bursts of independent
 *     arrivals grow so
 * @param holdMillis how long room stays after it was last needed
 * @param startUpMillis from a worker's request until it is ready, as measured; 0 while unknown
 * @param why half a sentence for people
 */
public record Outlook(
        boolean known,
        double headroom,
        double headroomPerRoot,
        long holdMillis,
        long startUpMillis,
        String why) {

    /** Nothing learned. */
    public static final Outlook NONE = new Outlook(false, 0, 0, 0, 0, "nothing learned yet");
}
