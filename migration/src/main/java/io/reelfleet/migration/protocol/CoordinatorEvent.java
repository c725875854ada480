package io.reelfleet.migration.protocol;

/** What can happen to a move at the operator. */
public sealed interface CoordinatorEvent {
    /** It is wanted. */
    record Begin() implements CoordinatorEvent {}

    /** A worker has answered, or its report says so. */
    record Answered(String worker, Outcome outcome) implements CoordinatorEvent {}

    /** No answer for too long. */
    record TimedOut() implements CoordinatorEvent {}

    /** A worker is no more. */
    record WorkerGone(String worker) implements CoordinatorEvent {}
}
