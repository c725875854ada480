package io.reelfleet.server;

import com.google.protobuf.Timestamp;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.quarkus.runtime.Quarkus;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.AdmitResponse;
import io.reelfleet.api.runtime.v1.CancelMoveRequest;
import io.reelfleet.api.runtime.v1.CommandHeader;
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
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.migration.Retention;
import io.reelfleet.migration.SessionLog;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.UnknownChunkException;
import io.reelfleet.server.session.Refusal;
import io.reelfleet.server.session.SessionLoop;
import io.reelfleet.server.session.SessionLoop.Standing;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The operator's commands. */
@GrpcService
public final class WorkerGrpc extends WorkerServiceGrpc.WorkerServiceImplBase {
    private static final Logger LOG = LoggerFactory.getLogger(WorkerGrpc.class);

    private final Worker worker;
    private final CommandGate gate;
    private final ReportStream reports;

    /** A drain's grace has begun. */
    private volatile boolean ends;

    WorkerGrpc(Worker worker, CommandGate gate, ReportStream reports) {
        this.worker = worker;
        this.gate = gate;
        this.reports = reports;
    }

    @Override
    public void report(ReportRequest request, StreamObserver<WorkerReport> observer) {
        try {
            gate.checkTerm(request.getTerm());
        } catch (Refusal e) {
            observer.onError(Answers.status(e));
            return;
        }
        reports.subscribe(request, (ServerCallStreamObserver<WorkerReport>) observer);
    }

    @Override
    public void admit(AdmitRequest request, StreamObserver<AdmitResponse> observer) {
        CommandHeader header = request.getHeader();
        SessionSpec spec = request.getSpec();
        Answers.send(
                command(
                        header,
                        SessionLoop.Admitted.class,
                        () -> {
                            if (!header.getSessionUid().equals(spec.getUid())) {
                                throw new Refusal(
                                        Refusal.Kind.INVALID,
                                        "header.session_uid is %s but spec.uid is %s: write the same"
                                                .formatted(header.getSessionUid(), spec.getUid()));
                            }
                            return loop().admit(
                                            spec,
                                            header.getEpoch(),
                                            header.getTerm(),
                                            request.getSuspended(),
                                            wantedSince(
                                                    request.hasWantedSince(),
                                                    request.getWantedSince()));
                        }),
                admitted ->
                        AdmitResponse.newBuilder()
                                .setEpoch(admitted.epoch())
                                .setNextChunk(admitted.nextChunk())
                                .build(),
                observer);
    }

    private static Optional<Instant> wantedSince(boolean given, Timestamp at) {
        return given
                ? Optional.of(Instant.ofEpochSecond(at.getSeconds(), at.getNanos()))
                : Optional.empty();
    }

    @Override
    public void suspend(SessionCommand request, StreamObserver<CommandResponse> observer) {
        CommandHeader header = request.getHeader();
        send(header, () -> loop().suspend(header.getSessionUid(), header.getEpoch()), observer);
    }

    @Override
    public void resume(SessionCommand request, StreamObserver<CommandResponse> observer) {
        CommandHeader header = request.getHeader();
        send(
                header,
                () ->
                        loop().resume(
                                        header.getSessionUid(),
                                        header.getEpoch(),
                                        wantedSince(
                                                request.hasWantedSince(),
                                                request.getWantedSince())),
                observer);
    }

    @Override
    public void update(UpdateRequest request, StreamObserver<CommandResponse> observer) {
        CommandHeader header = request.getHeader();
        send(
                header,
                () -> loop().update(header.getSessionUid(), header.getEpoch(), request.getSpec()),
                observer);
    }

    @Override
    public void release(ReleaseRequest request, StreamObserver<CommandResponse> observer) {
        CommandHeader header = request.getHeader();
        send(
                header,
                () ->
                        loop().release(
                                        header.getSessionUid(),
                                        header.getEpoch(),
                                        request.getEnd(),
                                        request.getReason(),
                                        request.getMessage()),
                observer);
    }

    @Override
    public void prepareMove(PrepareMoveRequest request, StreamObserver<MoveResponse> observer) {
        Answers.send(
                command(request.getHeader(), MoveResponse.class, () -> loop().prepareMove(request)),
                response -> response,
                observer);
    }

    @Override
    public void startMove(StartMoveRequest request, StreamObserver<MoveResponse> observer) {
        Answers.send(
                command(request.getHeader(), MoveResponse.class, () -> loop().startMove(request)),
                response -> response,
                observer);
    }

    @Override
    public void cancelMove(CancelMoveRequest request, StreamObserver<MoveResponse> observer) {
        Answers.send(
                command(
                        request.getHeader(),
                        MoveResponse.class,
                        () -> loop().cancelMove(request.getMove())),
                response -> response,
                observer);
    }

    @Override
    public void drain(DrainRequest request, StreamObserver<CommandResponse> observer) {
        CommandHeader header =
                CommandHeader.newBuilder()
                        .setTerm(request.getTerm())
                        .setRequestId(request.getRequestId())
                        .build();
        Answers.send(
                command(
                        header,
                        CommandResponse.class,
                        () ->
                                (request.getStop() ? stopDraining() : loop().drain("draining"))
                                        .thenApply(
                                                done -> {
                                                    endAt(request);
                                                    return CommandResponse.getDefaultInstance();
                                                })),
                response -> response,
                observer);
    }

    @Override
    public void findFork(FindForkRequest request, StreamObserver<FindForkResponse> observer) {
        CommandHeader header = CommandHeader.newBuilder().setTerm(request.getTerm()).build();
        Answers.send(
                command(
                        header,
                        FindForkResponse.class,
                        () ->
                                CompletableFuture.supplyAsync(
                                        () -> findFork(request),
                                        task -> Thread.ofVirtual().name("find-fork").start(task))),
                response -> response,
                observer);
    }

    private FindForkResponse findFork(FindForkRequest request) {
        try {
            SessionLog.forkable(
                    worker.store(),
                    request.getSourceUid(),
                    request.getChunk(),
                    request.getNamespace());
            return FindForkResponse.getDefaultInstance();
        } catch (UnknownChunkException e) {
            return FindForkResponse.newBuilder().setSentence(e.getMessage()).build();
        } catch (StoreException e) {
            throw new Refusal(Refusal.Kind.UNAVAILABLE, e.getMessage());
        }
    }

    @Override
    public void keep(KeepRequest request, StreamObserver<CommandResponse> observer) {
        CommandHeader header =
                CommandHeader.newBuilder()
                        .setTerm(request.getTerm())
                        .setRequestId(request.getRequestId())
                        .build();
        Answers.send(
                command(
                        header,
                        CommandResponse.class,
                        () -> {
                            worker.keep(
                                    request.hasAfterFinished()
                                            ? Optional.of(
                                                    Duration.ofSeconds(
                                                            request.getAfterFinished().getSeconds(),
                                                            request.getAfterFinished().getNanos()))
                                            : Optional.empty(),
                                    request.hasLiveChunks()
                                            ? OptionalLong.of(request.getLiveChunks())
                                            : OptionalLong.empty());
                            worker.abandon(
                                    request.getAbandonedList().stream()
                                            .map(
                                                    log ->
                                                            new Retention.Unended(
                                                                    log.getSessionUid(),
                                                                    log.getEpoch()))
                                            .toList());
                            return CompletableFuture.completedFuture(
                                    CommandResponse.getDefaultInstance());
                        }),
                response -> response,
                observer);
    }

    /** Whoever is to end does not come back from that. */
    private CompletableFuture<Void> stopDraining() {
        return ends || reports.ending()
                ? CompletableFuture.completedFuture(null)
                : loop().stopDraining();
    }

    /**
     * At the deadline the worker ends, empty or not; its sessions go on elsewhere from their logs.
     */
    private void endAt(DrainRequest request) {
        if (!request.hasGrace()) {
            return;
        }
        ends = true;
        Duration grace =
                Duration.ofSeconds(request.getGrace().getSeconds(), request.getGrace().getNanos());
        CompletableFuture.delayedExecutor(grace.toMillis(), TimeUnit.MILLISECONDS)
                .execute(
                        () -> {
                            LOG.info("the drain's {} are over: ending", grace);
                            Quarkus.asyncExit(0);
                        });
    }

    private void send(
            CommandHeader header,
            Supplier<CompletableFuture<Standing>> command,
            StreamObserver<CommandResponse> observer) {
        Answers.send(
                command(header, Standing.class, command),
                standing ->
                        CommandResponse.newBuilder()
                                .setState(standing.state())
                                .setNextChunk(standing.nextChunk())
                                .build(),
                observer);
    }

    private <T> CompletableFuture<T> command(
            CommandHeader header, Class<T> type, Supplier<CompletableFuture<T>> command) {
        try {
            gate.checkTerm(header.getTerm());
            return gate.once(
                    header.getRequestId(),
                    type,
                    () -> {
                        try {
                            return command.get();
                        } catch (Refusal e) {
                            return CompletableFuture.failedFuture(e);
                        }
                    });
        } catch (Refusal e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private SessionLoop loop() {
        SessionLoop loop = worker.loop();
        if (loop == null) {
            throw new Refusal(Refusal.Kind.UNAVAILABLE, "the worker is starting");
        }
        return loop;
    }
}
