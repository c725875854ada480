package io.reelfleet.operator.fleet;

import java.time.Instant;

/**
 * One move of a session to another worker, as it stands.
 *
 * @param id of the move; unique within its pool
 * @param session its uid
 * @param name the session's, as people write it
 * @param reason why it was ordered, in one word: ScaleIn, Spread, Asked, or why its worker goes
 * @param orderedAt when it was ordered; waiting for another transfer of its workers counts
 * @param outcome how it ended
 * @param sentence why it did not come about; empty when there is nothing to say
 * @param figures what the source measured; null while it has not said, and for moves by the log
 */
public record MoveView(
        String id,
        String session,
        String name,
        String from,
        String to,
        String reason,
        Transport transport,
        Instant orderedAt,
        Outcome outcome,
        String sentence,
        Figures figures) {

    /** How the state travels. */
    public enum Transport {
        /** From worker to worker. */
        LIVE,
        /** Through objects of the chunk store. */
        STORE,
        /** Not at all: released, and rebuilt from the session's log. */
        LOG;

        /** In small letters, as metrics and people's views have it. */
        public String title() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    /** How it ended. */
    public enum Outcome {
        /** It has not. */
        UNDER_WAY("UnderWay"),
        /** The target has the session. */
        MOVED("Moved"),
        /** The source has it still. */
        KEPT("Kept"),
        /** Neither: the session is placed anew, or has ended. */
        LOST("Lost");

        private final String title;

        Outcome(String title) {
            this.title = title;
        }

        /** As people's views have it. */
        public String title() {
            return title;
        }
    }

    /**
     * What the source measured.
     *
     * @param bytesBefore sent while the session went on
     * @param bytesAfter sent while it stood still
     * @param stoodStillS seconds from when it stood still until the target had committed
     * @param seconds the whole transfer
     */
    public record Figures(long bytesBefore, long bytesAfter, double stoodStillS, double seconds) {}
}
