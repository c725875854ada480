package io.reelfleet.operator.workers;

import io.grpc.Status;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.AdmitResponse;
import io.reelfleet.api.runtime.v1.CancelMoveRequest;
import io.reelfleet.api.runtime.v1.CommandResponse;
import io.reelfleet.api.runtime.v1.DrainRequest;
import io.reelfleet.api.runtime.v1.FindForkRequest;
import io.reelfleet.api.runtime.v1.FindForkResponse;
import io.reelfleet.api.runtime.v1.KeepRequest;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.UpdateRequest;
import io.reelfleet.api.runtime.v1.WorkerReport;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The operator's line to one worker: its reports, as long as the link is open, and commands. A
 * failed command's future ends with a {@link io.grpc.StatusRuntimeException}. No method blocks.
 */
public interface WorkerLink extends AutoCloseable {

    /** Opens links. */
    interface Dialer {
        /**
         * Subscribes to a worker's reports, again and again while it cannot be reached.
         *
         * @param endpoint {@code host:port}
         * @param term the leader's
         * @param reports is called for every report, on any thread
         * @param staleTerm is called when the worker follows a leader of a higher term
         */
        WorkerLink dial(
                String endpoint, long term, Consumer<WorkerReport> reports, Runnable staleTerm);
    }

    /** See WorkerService.Admit. */
    CompletableFuture<AdmitResponse> admit(AdmitRequest request);

    /** See WorkerService.Suspend. */
    CompletableFuture<CommandResponse> suspend(SessionCommand request);

    /** See WorkerService.Resume. */
    CompletableFuture<CommandResponse> resume(SessionCommand request);

    /** See WorkerService.Update. */
    CompletableFuture<CommandResponse> update(UpdateRequest request);

    /** See WorkerService.Release. */
    CompletableFuture<CommandResponse> release(ReleaseRequest request);

    /** See WorkerService.Drain. */
    CompletableFuture<CommandResponse> drain(DrainRequest request);

    /** See WorkerService.PrepareMove. A worker that knows no live moves says UNIMPLEMENTED. */
    default CompletableFuture<MoveResponse> prepareMove(PrepareMoveRequest request) {
        return CompletableFuture.failedFuture(Status.UNIMPLEMENTED.asRuntimeException());
    }

    /** See WorkerService.StartMove. */
    default CompletableFuture<MoveResponse> startMove(StartMoveRequest request) {
        return CompletableFuture.failedFuture(Status.UNIMPLEMENTED.asRuntimeException());
    }

    /** See WorkerService.CancelMove. */
    default CompletableFuture<MoveResponse> cancelMove(CancelMoveRequest request) {
        return CompletableFuture.failedFuture(Status.UNIMPLEMENTED.asRuntimeException());
    }

    /** See WorkerService.FindFork. */
    default CompletableFuture<FindForkResponse> findFork(FindForkRequest request) {
        return CompletableFuture.failedFuture(Status.UNIMPLEMENTED.asRuntimeException());
    }

    /** See WorkerService.Keep. */
    default CompletableFuture<CommandResponse> keep(KeepRequest request) {
        return CompletableFuture.failedFuture(Status.UNIMPLEMENTED.asRuntimeException());
    }

    @Override
    void close();
}
