package io.reelfleet.migration.protocol;

/**
 * What can happen at a worker. Those that name a move other than the current one change nothing.
 */
public sealed interface WorkerEvent {
    /** Coordinator to target. */
    record Prepare(Move move) implements WorkerEvent {}

    /** Coordinator to source. */
    record Start(Move move) implements WorkerEvent {}

    /** Coordinator to both: end it, and say how it stands. */
    record Cancel(Move move) implements WorkerEvent {}

    /** Coordinator: another worker owns the session with {@code epoch}. */
    record Release(long epoch) implements WorkerEvent {}

    /** This worker has appended its own Owner entry outside of any move. */
    record Admitted(long epoch) implements WorkerEvent {}

    /** Source: so little is left to send that the session can stand still for it. */
    record ReadyToCut(Move move) implements WorkerEvent {}

    /** Target: everything is here and every checksum is right. */
    record Complete(Move move) implements WorkerEvent {}

    /** Source: the target says whether its Owner entry is in the log. */
    record Verdict(Move move, boolean committed) implements WorkerEvent {}

    /** The line to the other worker broke, or what came over it was wrong. */
    record LinkFailed(Move move) implements WorkerEvent {}

    /** Nothing has moved on for too long. */
    record Watchdog(Move move) implements WorkerEvent {}

    /** Target: its Owner entry is in the log, after exactly the chunks that its state has. */
    record OwnerStored(Move move) implements WorkerEvent {}

    /** Target: the log has gone on, or has another owner of this epoch or a higher one. */
    record OwnerRefused(Move move) implements WorkerEvent {}

    /** Target: nobody knows whether the entry was stored. */
    record OwnerUnknown(Move move) implements WorkerEvent {}

    /** Source: the newest owner's epoch as the log has it. */
    record LogRead(Move move, long newestEpoch) implements WorkerEvent {}

    /** Source: the log could not be read. */
    record LogUnreadable(Move move) implements WorkerEvent {}

    /** An append of this worker's own epoch met another owner's entry. */
    record Fenced(long epoch) implements WorkerEvent {}
}
