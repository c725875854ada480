package io.reelfleet.scheduler;

/**
 * Sentences that were needed lately. The same few come again and again while a load goes up and
 * down a little, and making one is most of what a decision would leave for the garbage collector.
 * What is said depends on what is asked alone, never on what was asked before.
 */
final class Reasons {
    /** Numbers of active sessions that differ by less do not share a place. */
    private static final int PLACES = 64;

    private final Said[] said = new Said[PLACES];

    /** All that a sentence depends on. */
    private record Said(
            int active,
            PoolSettings pool,
            Autoscaler.Target target,
            int outlook,
            String why,
            String sentence) {}

    /** {@link Autoscaler#reason}. */
    String of(Fleet fleet, Autoscaler.Target target) {
        int active = (int) Math.ceil(fleet.demand());
        boolean predicts = Autoscaler.predicts(fleet);
        int outlook = predicts ? fleet.outlook().wantedWorkers() : -1;
        String why = predicts ? fleet.outlook().why() : "";
        int place = active & (PLACES - 1);
        Said before = said[place];
        if (before != null
                && before.active == active
                && before.pool.equals(fleet.pool())
                && before.target.equals(target)
                && before.outlook == outlook
                && before.why.equals(why)) {
            return before.sentence;
        }
        String sentence = Autoscaler.reason(fleet, target);
        said[place] = new Said(active, fleet.pool(), target, outlook, why, sentence);
        return sentence;
    }
}
