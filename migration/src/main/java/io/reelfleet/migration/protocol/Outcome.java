package io.reelfleet.migration.protocol;

/** What a worker answers the coordinator about a move. */
public enum Outcome {
    /** The target has reserved memory and listens. */
    PREPARED,
    /** The target owns the session: its entry is in the log. */
    COMMITTED,
    /** The target holds nothing of it (any longer). */
    NOT_HERE,
    /** The source owns the session and generates. */
    KEPT,
    /** The source has let go: the log names another owner. */
    GONE
}
