package io.reelfleet.gateway.worker;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.HeartbeatResponse;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.ChunkIndex.Ownership;
import io.reelfleet.gateway.follow.SessionTail;
import io.reelfleet.migration.StoreException;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jboss.logging.Logger;

/**
 * Calls on the worker that the newest Owner entry names, and on the next one when the session moves
 * meanwhile. The calls block: they are for virtual threads.
 */
@Singleton
public class OwnerCalls {
    private static final Logger LOG = Logger.getLogger(OwnerCalls.class);
    private static final Duration CONTROL_PATIENCE = Duration.ofSeconds(60);
    private static final Duration HEARTBEAT_PATIENCE = Duration.ofSeconds(5);
    private static final Duration RETRY = Duration.ofMillis(250);

    private final WorkerChannels channels;

    OwnerCalls(WorkerChannels channels) {
        this.channels = channels;
    }

    /**
     * Sends controls; {@code acks} gets "received" once and "applied" once, also when the session
     * changes its worker in between.
     *
     * @throws StatusRuntimeException what the worker refuses, or UNAVAILABLE when no owner took it
     *     in a minute
     */
    public void control(SessionTail tail, ControlRequest request, Consumer<ControlAck> acks)
            throws InterruptedException {
        boolean[] received = {false};
        call(
                tail,
                CONTROL_PATIENCE,
                stub -> {
                    Iterator<ControlAck> answers = stub.control(request);
                    while (answers.hasNext()) {
                        ControlAck ack = answers.next();
                        if (ack.getStage() == ControlAck.Stage.STAGE_APPLIED || !received[0]) {
                            received[0] |= ack.getStage() == ControlAck.Stage.STAGE_RECEIVED;
                            acks.accept(ack);
                        }
                    }
                    return null;
                });
    }

    /** Tells the owner that a viewer is there. */
    public HeartbeatResponse heartbeat(SessionTail tail, HeartbeatRequest request)
            throws InterruptedException {
        return call(tail, HEARTBEAT_PATIENCE, stub -> stub.heartbeat(request));
    }

    private <T> T call(
            SessionTail tail, Duration patience, Function<SessionServiceBlockingStub, T> call)
            throws InterruptedException {
        long until = System.nanoTime() + patience.toNanos();
        while (true) {
            Ownership owner = owner(tail, Duration.ofNanos(until - System.nanoTime()));
            try {
                SessionServiceBlockingStub stub =
                        SessionServiceGrpc.newBlockingStub(channels.to(owner.owner().getEndpoint()))
                                .withDeadlineAfter(
                                        Math.max(1, until - System.nanoTime()),
                                        TimeUnit.NANOSECONDS);
                return call.apply(stub);
            } catch (StatusRuntimeException e) {
                long left = until - System.nanoTime();
                if (!mayPass(e.getStatus()) || left <= RETRY.toNanos()) {
                    throw e;
                }
                LOG.debugf(
                        "session %s: worker %s epoch %d answers %s",
                        tail.uid(), owner.owner().getWorker(), owner.epoch(), e.getStatus());
                awaitNewer(tail, owner);
            }
        }
    }

    /** Whether the next owner, or the same one in a moment, may answer otherwise. */
    private static boolean mayPass(Status status) {
        return switch (status.getCode()) {
            case UNAVAILABLE, NOT_FOUND, FAILED_PRECONDITION, ABORTED, CANCELLED -> true;
            default -> false;
        };
    }

    private static Ownership owner(SessionTail tail, Duration patience)
            throws InterruptedException {
        ChunkIndex log;
        try {
            log = tail.await(known -> known.owner().isPresent(), patience);
        } catch (StoreException e) {
            throw Status.UNAVAILABLE
                    .withDescription("The chunk store does not answer.")
                    .withCause(e)
                    .asRuntimeException();
        }
        if (log.end().isPresent()) {
            throw Status.OUT_OF_RANGE
                    .withDescription("The session has ended.")
                    .asRuntimeException();
        }
        return log.owner()
                .orElseThrow(
                        () ->
                                Status.UNAVAILABLE
                                        .withDescription("The session waits for a worker.")
                                        .asRuntimeException());
    }

    private static void awaitNewer(SessionTail tail, Ownership than) throws InterruptedException {
        try {
            tail.await(
                    known -> known.owner().filter(o -> o.epoch() > than.epoch()).isPresent(),
                    RETRY);
        } catch (StoreException e) {
            Thread.sleep(RETRY);
        }
    }
}
