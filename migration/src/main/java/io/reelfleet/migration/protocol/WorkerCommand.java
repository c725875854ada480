package io.reelfleet.migration.protocol;

/** What a worker has to do. */
public sealed interface WorkerCommand {
    /** Target: take the memory of a session and listen for the source. */
    record Reserve(Move move) implements WorkerCommand {}

    /** Target: give that memory back and stop listening. */
    record Free(Move move) implements WorkerCommand {}

    /** Source: connect, and send what is there while the session goes on. */
    record Copy(Move move) implements WorkerCommand {}

    /** Source: stop sending. */
    record StopCopying(Move move) implements WorkerCommand {}

    /** Source: stand still at this step boundary and send the rest with its manifest. */
    record FreezeAndSendRest(Move move) implements WorkerCommand {}

    /** Source: go on as if nothing had happened. */
    record Thaw(Move move) implements WorkerCommand {}

    /**
     * Target: append {@code owner(epoch)}, directly after the last chunk that the state has and
     * nowhere else.
     */
    record AppendOwner(Move move) implements WorkerCommand {}

    /** Source: ask the log who owns the session. */
    record ReadLog(Move move) implements WorkerCommand {}

    /** Target: generate. */
    record Activate(Move move) implements WorkerCommand {}

    /** Source: forget the session and give its memory back. */
    record Drop() implements WorkerCommand {}

    /** Target to source. */
    record SendVerdict(Move move, boolean committed) implements WorkerCommand {}

    /** To the coordinator. */
    record Answer(Move move, Outcome outcome) implements WorkerCommand {}
}
