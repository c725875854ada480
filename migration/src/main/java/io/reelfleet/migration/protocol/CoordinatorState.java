package io.reelfleet.migration.protocol;

/** Where the operator stands with one move. */
public sealed interface CoordinatorState {
    /** What is known of one side while a move is cancelled. */
    enum Side {
        UNKNOWN,
        /** The source generates. */
        KEPT,
        /** The source has let go, or the target holds nothing. */
        WITHOUT,
        /** The worker is no more. */
        DEAD
    }

    /** How a move ended. */
    enum Result {
        /** The target owns the session. */
        MOVED,
        /** The source owns it as before. */
        KEPT,
        /** Neither does, as far as they say: it must be admitted with a higher epoch. */
        LOST
    }

    Move move();

    /** The target was asked for memory. */
    record Preparing(Move move) implements CoordinatorState {}

    /** The source was told to begin; the target commits by itself. */
    record Moving(Move move) implements CoordinatorState {}

    /** Both are asked how they stand, until both have said it. */
    record Cancelling(Move move, Side source, Side target) implements CoordinatorState {}

    record Ended(Move move, Result result) implements CoordinatorState {}
}
