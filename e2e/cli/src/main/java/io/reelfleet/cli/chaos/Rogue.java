package io.reelfleet.cli.chaos;

import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.CancelMoveRequest;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.WorkerServiceGrpc;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.trust.PartTls;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Commands that the operator did send, or might have sent, once more or too late: with the
 * operator's certificate and term, straight to a worker. What a worker answers does not matter;
 * what becomes of the session does.
 */
final class Rogue implements AutoCloseable {
    private static final long LIMIT_SECONDS = 2;

    private final ManagedChannel channel;
    private final long term;

    /**
     * @param endpoint {@code host:port} of a worker
     * @param tls the operator's folder of certificates
     * @param term that workers follow
     */
    Rogue(String endpoint, Path tls, long term) {
        PartTls part = PartTls.of(tls);
        this.channel =
                Grpc.newChannelBuilder(
                                endpoint,
                                TlsChannelCredentials.newBuilder()
                                        .keyManager(part.keyManager())
                                        .trustManager(part.trustManager())
                                        .build())
                        .build();
        this.term = term;
    }

    private interface Call {
        void run();
    }

    private static void whatever(Call call) {
        try {
            call.run();
        } catch (StatusRuntimeException e) {
            // Refused, as a rule; also a worker that is gone.
        }
    }

    private WorkerServiceGrpc.WorkerServiceBlockingStub worker() {
        return WorkerServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(LIMIT_SECONDS, TimeUnit.SECONDS);
    }

    private CommandHeader header(String uid, long epoch) {
        return CommandHeader.newBuilder()
                .setSessionUid(uid)
                .setEpoch(epoch)
                .setTerm(term)
                .setRequestId("chaos-" + UUID.randomUUID())
                .build();
    }

    /** Releases, suspends, resumes and admits by an ownership that is over. */
    void late(SessionSpec spec, long epoch) {
        CommandHeader header = header(spec.getUid(), epoch);
        whatever(() -> worker().suspend(SessionCommand.newBuilder().setHeader(header).build()));
        whatever(
                () ->
                        worker().admit(
                                        AdmitRequest.newBuilder()
                                                .setHeader(header(spec.getUid(), epoch))
                                                .setSpec(spec)
                                                .build()));
        whatever(
                () ->
                        worker().release(
                                        ReleaseRequest.newBuilder()
                                                .setHeader(header(spec.getUid(), epoch))
                                                .setEnd(true)
                                                .setReason("Deleted")
                                                .build()));
    }

    /** All commands of a move, to whichever side this worker is. */
    void again(Move move, SessionSpec spec, long sourceEpoch, boolean target) {
        for (int i = 0; i < 2; i++) {
            if (target) {
                whatever(() -> prepare(move, spec));
            } else {
                whatever(() -> start(move, sourceEpoch, "127.0.0.1", 1));
            }
        }
    }

    /** Ends a move, late. */
    void cancel(Move move, long epoch) {
        whatever(
                () ->
                        worker().cancelMove(
                                        CancelMoveRequest.newBuilder()
                                                .setHeader(header(move.getSessionUid(), epoch))
                                                .setMove(move)
                                                .build()));
    }

    MoveResponse prepare(Move move, SessionSpec spec) {
        return worker().prepareMove(
                        PrepareMoveRequest.newBuilder()
                                .setHeader(header(spec.getUid(), move.getEpoch()))
                                .setMove(move)
                                .setSpec(spec)
                                .build());
    }

    void start(Move move, long sourceEpoch, String host, int port) {
        worker().startMove(
                        StartMoveRequest.newBuilder()
                                .setHeader(header(move.getSessionUid(), sourceEpoch))
                                .setMove(move)
                                .setHost(host)
                                .setPort(port)
                                .build());
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
