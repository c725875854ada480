package io.reelfleet.migration.protocol;

/** Where a worker stands with one session. */
public sealed interface WorkerState {
    /** It holds nothing of it. */
    record Absent() implements WorkerState {}

    /** It owns the session and generates, as far as it knows. */
    record Owning(long epoch) implements WorkerState {}

    /** Source: it generates, and copies what does not change. */
    record Copying(long epoch, Move move) implements WorkerState {}

    /** Source: it stands at a step boundary; the rest of the state is on its way. */
    record Frozen(long epoch, Move move) implements WorkerState {}

    /** Source: it stands still, and asks the log whether the target took over. */
    record Doubting(long epoch, Move move) implements WorkerState {}

    /** Target: memory is reserved, state comes in. */
    record Receiving(Move move) implements WorkerState {}

    /** Target: the state is complete and checked; its Owner entry is on the way into the log. */
    record Committing(Move move) implements WorkerState {}

    /** Whether chunks are generated here. */
    default boolean generates() {
        return this instanceof Owning || this instanceof Copying;
    }
}
