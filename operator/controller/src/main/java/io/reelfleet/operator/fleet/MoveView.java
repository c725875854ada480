package io.reelfleet.operator.fleet;

import java.time.Instant;

/**
 * One session's way from one worker to another, for everybody outside the loop.
 *
 * @param id of the attempt, unique within the pool
 * @param orderedAt when the loop wanted it
 * @param epoch that the session has at {@code to}
 * @param road how its state went
 * @param result how it ended; null while it goes on
 * @param precopyBytes sent while the session generated on
 * @param restBytes sent while it stood still
 * @param stoodStillSeconds from its last step at {@code from} until {@code to} had committed; NaN
 *     while it is not known, or where the session was rebuilt from its log
 * @param seconds from the first byte to the end; NaN like the other
 * @param sentence why it did not come about; empty when there is nothing to say
 */
public record MoveView(
        String id,
        Instant orderedAt,
        String session,
        long epoch,
        String from,
        String to,
        Road road,
        Result result,
        long precopyBytes,
        long restBytes,
        double stoodStillSeconds,
        double seconds,
        String sentence) {

    /** How a session's state goes to another worker. */
    public enum Road {
        DIRECT,
        STORE,
        LOG;

        /** In lower case. */
        public String title() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    /** How a move ends. */
    public enum Result {
        MOVED,
        KEPT,
        LOST;

        /** In lower case. */
        public String title() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    /** Whether its session's wait was measured. */
    public boolean measured() {
        return !Double.isNaN(stoodStillSeconds);
    }

    MoveView ended(Result how, String why) {
        return new MoveView(
                id,
                orderedAt,
                session,
                epoch,
                from,
                to,
                road,
                how,
                precopyBytes,
                restBytes,
                stoodStillSeconds,
                seconds,
                why);
    }

    MoveView measured(long precopy, long rest, double stoodStill, double took) {
        return new MoveView(
                id,
                orderedAt,
                session,
                epoch,
                from,
                to,
                road,
                result,
                precopy,
                rest,
                stoodStill,
                took,
                sentence);
    }
}
