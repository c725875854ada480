package io.reelfleet.operator.workers;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
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
import io.reelfleet.api.runtime.v1.ReportRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.UpdateRequest;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.runtime.v1.WorkerServiceGrpc;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;

/** A {@link WorkerLink} over a gRPC channel. */
public final class GrpcWorkerLink implements WorkerLink {
    /**
     * A worker answers commands at once or at a step's boundary; building a state may take a
     * model's pass over a window.
     */
    private static final long COMMAND_SECONDS = 30;

    private static final long FIRST_RETRY_MILLIS = 100;
    private static final long LAST_RETRY_MILLIS = 2_000;

    private final ManagedChannel channel;
    private final long term;
    private final String operator;
    private final Consumer<WorkerReport> reports;
    private final Runnable staleTerm;
    private final ScheduledExecutorService timer;
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile ClientCallStreamObserver<ReportRequest> subscription;
    private volatile long retryMillis = FIRST_RETRY_MILLIS;

    private GrpcWorkerLink(
            ManagedChannel channel,
            long term,
            String operator,
            Consumer<WorkerReport> reports,
            Runnable staleTerm,
            ScheduledExecutorService timer) {
        this.channel = channel;
        this.term = term;
        this.operator = operator;
        this.reports = reports;
        this.staleTerm = staleTerm;
        this.timer = timer;
    }

    /**
     * A dialer that opens a channel per worker.
     *
     * @param channels makes the channel to {@code host:port}, which the link owns
     * @param operator how this operator calls itself
     * @param timer runs the retries
     */
    public static Dialer dialer(
            Function<String, ManagedChannel> channels,
            String operator,
            ScheduledExecutorService timer) {
        return (endpoint, term, reports, staleTerm) -> {
            GrpcWorkerLink link =
                    new GrpcWorkerLink(
                            channels.apply(endpoint), term, operator, reports, staleTerm, timer);
            link.subscribe();
            return link;
        };
    }

    private void subscribe() {
        if (closed.get()) {
            return;
        }
        ReportRequest request =
                ReportRequest.newBuilder().setTerm(term).setOperator(operator).build();
        WorkerServiceGrpc.newStub(channel)
                .report(
                        request,
                        new ClientResponseObserver<ReportRequest, WorkerReport>() {
                            @Override
                            public void beforeStart(ClientCallStreamObserver<ReportRequest> call) {
                                subscription = call;
                            }

                            @Override
                            public void onNext(WorkerReport report) {
                                retryMillis = FIRST_RETRY_MILLIS;
                                reports.accept(report);
                            }

                            @Override
                            public void onError(Throwable problem) {
                                Status status = Status.fromThrowable(problem);
                                String description = status.getDescription();
                                if (status.getCode() == Status.Code.FAILED_PRECONDITION
                                        && description != null
                                        && description.startsWith("STALE_TERM")) {
                                    staleTerm.run();
                                    return;
                                }
                                again();
                            }

                            @Override
                            public void onCompleted() {
                                again();
                            }
                        });
    }

    private void again() {
        if (closed.get()) {
            return;
        }
        long wait = retryMillis;
        retryMillis = Math.min(LAST_RETRY_MILLIS, wait * 2);
        timer.schedule(this::subscribe, wait, TimeUnit.MILLISECONDS);
    }

    private WorkerServiceGrpc.WorkerServiceFutureStub stub() {
        return WorkerServiceGrpc.newFutureStub(channel)
                .withDeadlineAfter(COMMAND_SECONDS, TimeUnit.SECONDS);
    }

    private static <T> CompletableFuture<T> completable(ListenableFuture<T> call) {
        CompletableFuture<T> future = new CompletableFuture<>();
        Futures.addCallback(
                call,
                new FutureCallback<>() {
                    @Override
                    public void onSuccess(T result) {
                        future.complete(result);
                    }

                    @Override
                    public void onFailure(Throwable problem) {
                        future.completeExceptionally(problem);
                    }
                },
                Runnable::run);
        return future;
    }

    @Override
    public CompletableFuture<AdmitResponse> admit(AdmitRequest request) {
        return completable(stub().admit(request));
    }

    @Override
    public CompletableFuture<CommandResponse> suspend(SessionCommand request) {
        return completable(stub().suspend(request));
    }

    @Override
    public CompletableFuture<CommandResponse> resume(SessionCommand request) {
        return completable(stub().resume(request));
    }

    @Override
    public CompletableFuture<CommandResponse> update(UpdateRequest request) {
        return completable(stub().update(request));
    }

    @Override
    public CompletableFuture<CommandResponse> release(ReleaseRequest request) {
        return completable(stub().release(request));
    }

    @Override
    public CompletableFuture<CommandResponse> drain(DrainRequest request) {
        return completable(stub().drain(request));
    }

    @Override
    public CompletableFuture<MoveResponse> prepareMove(PrepareMoveRequest request) {
        return completable(stub().prepareMove(request));
    }

    @Override
    public CompletableFuture<MoveResponse> startMove(StartMoveRequest request) {
        return completable(stub().startMove(request));
    }

    @Override
    public CompletableFuture<MoveResponse> cancelMove(CancelMoveRequest request) {
        return completable(stub().cancelMove(request));
    }

    @Override
    public CompletableFuture<FindForkResponse> findFork(FindForkRequest request) {
        return completable(stub().findFork(request));
    }

    @Override
    public CompletableFuture<CommandResponse> keep(KeepRequest request) {
        return completable(stub().keep(request));
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            ClientCallStreamObserver<ReportRequest> call = subscription;
            if (call != null) {
                call.cancel("the operator no longer follows this worker", null);
            }
            channel.shutdown();
        }
    }
}
