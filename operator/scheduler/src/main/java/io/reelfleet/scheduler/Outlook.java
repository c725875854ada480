package io.reelfleet.scheduler;

/**
 * What the past says about the next minutes.
 *
 * @param known whether anything has been learned; otherwise the policy goes by the load alone
 * @param wantedWorkers how many ordinary workers there should be, holds and headroom included,
 *     before the pool's limits
 * @param wakeAtMillis when this may be different without anything having happened
 * @param price what one late session-second is worth now, in GPU-seconds: it rises while the late
 *     budget is overspent
 * @param why half a sentence for people: which rule this follows
 */
public record Outlook(
        boolean known, int wantedWorkers, long wakeAtMillis, double price, String why) {

    /** Nothing learned. */
    public static final Outlook NONE =
            new Outlook(false, 0, Long.MAX_VALUE, 0, "nothing learned yet");
}
