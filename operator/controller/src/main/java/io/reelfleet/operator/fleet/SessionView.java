package io.reelfleet.operator.fleet;

import java.time.Instant;

/**
 * A session as it stands, for everybody outside the loop.
 *
 * @param wish what its owner wants
 * @param phase of VideoSession
 * @param reason why it is in that phase: one word in camel case, for conditions and events
 * @param message a sentence that explains it; empty when there is nothing to explain
 * @param worker where it is; empty for nowhere
 * @param epoch of its newest ownership
 * @param nextChunk the number of the next chunk to be written
 * @param moves how often it went to another worker
 * @param finishedAt when it completed or failed; null before
 */
public record SessionView(
        SessionWish wish,
        Phase phase,
        String reason,
        String message,
        String worker,
        long epoch,
        long nextChunk,
        int moves,
        Instant finishedAt) {

    /** The phases of VideoSession. */
    public enum Phase {
        QUEUED("Queued"),
        RUNNING("Running"),
        SUSPENDED("Suspended"),
        COMPLETED("Completed"),
        FAILED("Failed");

        private final String title;

        Phase(String title) {
            this.title = title;
        }

        /** As the custom resource writes it. */
        public String title() {
            return title;
        }

        /** Whether nothing follows. */
        public boolean finished() {
            return this == COMPLETED || this == FAILED;
        }
    }

    /** The session's uid. */
    public String uid() {
        return wish.spec().getUid();
    }
}
