package io.reelfleet.operator.fleet;

import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.operator.workers.ProvidedWorker;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** What can come into a loop's mailbox. */
sealed interface FleetEvent {

    /** The pool's spec is this now. */
    record PoolChanged(PoolDefinition pool) implements FleetEvent {}

    /** The pool is gone: its workers go, its sessions end here. */
    record PoolRemoved(CompletableFuture<Void> done) implements FleetEvent {}

    /** A session is wanted like this, new or not. The reply may be null. */
    record SessionWanted(SessionWish wish, CompletableFuture<SessionView> reply)
            implements FleetEvent {}

    /** Nobody wants the session any longer. The reply may be null. */
    record SessionUnwanted(String uid, String reason, CompletableFuture<Void> reply)
            implements FleetEvent {}

    /** Whether a session may go on from a chunk of another one; see {@link FleetLoop#findFork}. */
    record ForkWanted(String source, long chunk, String namespace, CompletableFuture<String> reply)
            implements FleetEvent {}

    /** A worker could not be told what is kept. */
    record KeepFailed(String worker) implements FleetEvent {}

    /** Somebody wants the session moved, to that worker or (empty) to any. */
    record MoveWanted(String uid, String worker, CompletableFuture<SessionView> reply)
            implements FleetEvent {}

    /**
     * A worker reported; {@code link} tells a report of an older subscription from the current one.
     */
    record Reported(String worker, long link, WorkerReport report) implements FleetEvent {}

    /** The provider's workers, as listed by a call that began at {@code askedAtMillis}. */
    record Listed(long askedAtMillis, List<ProvidedWorker> workers) implements FleetEvent {}

    /** The provider could not be asked. */
    record ListingFailed(String problem) implements FleetEvent {}

    /** The provider started the worker, or says why not (null: it did). */
    record StartAnswered(String worker, String problem) implements FleetEvent {}

    /** The provider has stopped the worker, or failed to (null: it did). */
    record StopAnswered(String worker, String problem) implements FleetEvent {}

    /** What a gone worker left to say; null for nothing. */
    record LastWords(String worker, String words) implements FleetEvent {}

    /** A worker answered a session's command; {@code problem} is null when it was carried out. */
    record Answered(String session, long command, long epoch, long nextChunk, Throwable problem)
            implements FleetEvent {}

    /** A worker answered a call of a live move; one of response and problem is null. */
    record MoveAnswered(
            String session, String move, String worker, MoveResponse response, Throwable problem)
            implements FleetEvent {}

    /** A worker answered Drain. */
    record DrainAnswered(String worker, Throwable problem) implements FleetEvent {}

    /** Some worker follows a leader of a higher term. */
    record Deposed() implements FleetEvent {}
}
