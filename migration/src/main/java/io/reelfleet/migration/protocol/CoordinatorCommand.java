package io.reelfleet.migration.protocol;

/** What the operator has to do for a move. */
public sealed interface CoordinatorCommand {
    /** To the target. */
    record SendPrepare(Move move) implements CoordinatorCommand {}

    /** To the source. */
    record SendStart(Move move) implements CoordinatorCommand {}

    /** To one of both; it answers how it stands. */
    record SendCancel(Move move, String worker) implements CoordinatorCommand {}

    /** To the source: the target owns the session. */
    record SendRelease(Move move) implements CoordinatorCommand {}
}
