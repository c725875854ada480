package io.reelfleet.gateway.viewer;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.quarkus.grpc.GrpcService;
import io.quarkus.grpc.RegisterInterceptor;
import io.reelfleet.api.runtime.v1.ChunkEvent;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.HeartbeatResponse;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc.SessionServiceImplBase;
import io.reelfleet.api.runtime.v1.WatchRequest;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.gateway.auth.ViewerTokens.Viewer;
import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.ChunkRun;
import io.reelfleet.gateway.follow.Fragment;
import io.reelfleet.gateway.follow.SessionTail;
import io.reelfleet.gateway.follow.SessionTails;
import io.reelfleet.gateway.worker.OwnerCalls;
import io.reelfleet.migration.StoreException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.jboss.logging.Logger;

/**
 * {@code SessionService} for viewers: Watch from the log, Control and Heartbeat by way of the
 * owner.
 */
@GrpcService
@RegisterInterceptor(TokenInterceptor.class)
class SessionCalls extends SessionServiceImplBase {
    private static final Logger LOG = Logger.getLogger(SessionCalls.class);
    private static final Duration NEWS = Duration.ofSeconds(10);

    private final SessionTails tails;
    private final OwnerCalls owners;
    private final Duration slowViewer;
    private final Counter chunks;
    private final Counter slow;

    SessionCalls(
            SessionTails tails,
            OwnerCalls owners,
            GatewaySettings settings,
            MeterRegistry metrics) {
        this.tails = tails;
        this.owners = owners;
        this.slowViewer = settings.slowViewer();
        this.chunks = metrics.counter("reelfleet_gateway_chunks", "by", "grpc");
        this.slow = metrics.counter("reelfleet_gateway_slow_viewers_dropped", "by", "grpc");
    }

    private interface Call {
        void on(SessionTail tail, Viewer viewer) throws StoreException, InterruptedException;
    }

    /**
     * Runs {@code call} in a thread of its own for a viewer whose token is for session {@code uid}.
     */
    private void run(String uid, ServerCallStreamObserver<?> to, Call call) {
        Optional<Viewer> viewer = TokenInterceptor.VIEWER.get().filter(v -> v.uid().equals(uid));
        if (viewer.isEmpty()) {
            to.onError(
                    Status.UNAUTHENTICATED
                            .withDescription("A valid token is needed.")
                            .asRuntimeException());
            return;
        }
        Thread thread =
                Thread.ofVirtual()
                        .name("call-" + uid)
                        .unstarted(
                                () -> {
                                    try (SessionTails.Watch watch = tails.watch(uid)) {
                                        call.on(watch.tail(), viewer.get());
                                    } catch (StatusRuntimeException e) {
                                        fail(to, e.getStatus());
                                    } catch (StoreException e) {
                                        fail(
                                                to,
                                                Status.UNAVAILABLE.withDescription(
                                                        "The chunk store does not answer."));
                                    } catch (InterruptedException e) {
                                        // The viewer is gone.
                                    } catch (RuntimeException e) {
                                        if (!to.isCancelled()) {
                                            LOG.errorf(e, "session %s", uid);
                                            fail(to, Status.INTERNAL);
                                        }
                                    }
                                });
        to.setOnCancelHandler(thread::interrupt);
        thread.start();
    }

    private static void fail(StreamObserver<?> to, Status status) {
        // Neither cause nor the worker's metadata are the viewer's business.
        to.onError(
                Status.fromCode(status.getCode())
                        .withDescription(status.getDescription())
                        .asRuntimeException());
    }

    @Override
    public void watch(WatchRequest request, StreamObserver<ChunkEvent> observer) {
        var to = (ServerCallStreamObserver<ChunkEvent>) observer;
        if (request.getFromChunk() < 0) {
            to.onError(
                    Status.INVALID_ARGUMENT
                            .withDescription("from_chunk is negative: write 0 or a chunk number.")
                            .asRuntimeException());
            return;
        }
        run(
                request.getSessionUid(),
                to,
                (tail, viewer) -> watch(tail, viewer, request.getFromChunk(), to));
    }

    private void watch(
            SessionTail tail, Viewer viewer, long from, ServerCallStreamObserver<ChunkEvent> to)
            throws StoreException, InterruptedException {
        long next = from;
        String init = "";
        ChunkIndex log = tail.index();
        while (!to.isCancelled()) {
            // What is no longer kept is left out.
            next = Math.max(next, log.firstChunk());
            Optional<ChunkRun> run = log.run(next);
            if (run.isPresent()) {
                Fragment fragment = tail.fragment(next).orElseThrow();
                ChunkEvent.Builder event = event(run.get(), next, fragment);
                if (!run.get().init().equals(init)) {
                    init = run.get().init();
                    event.setInit(log.init(init).orElseThrow());
                }
                awaitReady(to);
                to.onNext(event.build());
                chunks.increment();
                next++;
            } else if (log.end().isPresent()) {
                to.onNext(
                        ChunkEvent.newBuilder()
                                .setEnd(true)
                                .setEndReason(log.end().get().getReason())
                                .build());
                to.onCompleted();
                return;
            } else {
                if (System.currentTimeMillis() / 1000 >= viewer.expires()) {
                    throw Status.UNAUTHENTICATED
                            .withDescription("A valid token is needed.")
                            .asRuntimeException();
                }
                log = tail.awaitChunk(next, NEWS);
            }
        }
    }

    private static ChunkEvent.Builder event(ChunkRun run, long k, Fragment fragment) {
        return ChunkEvent.newBuilder()
                .setChunk(k)
                .setEpoch(run.epoch())
                .setCodec(run.codec())
                .setFragment(fragment.bytes())
                .setFrames(run.frames())
                .setFirstFrame(run.firstFrame() + (k - run.firstChunk()) * run.frames())
                .setFps(run.fps());
    }

    /**
     * Waits until the viewer takes more: what it does not read stays in the log and not in memory.
     */
    private void awaitReady(ServerCallStreamObserver<?> to) throws InterruptedException {
        long until = System.nanoTime() + slowViewer.toNanos();
        while (!to.isReady()) {
            if (Thread.interrupted() || to.isCancelled()) {
                throw new InterruptedException();
            }
            if (System.nanoTime() > until) {
                slow.increment();
                throw Status.RESOURCE_EXHAUSTED
                        .withDescription("You are too slow: watch again from the next chunk.")
                        .asRuntimeException();
            }
            LockSupport.parkNanos(5_000_000);
        }
    }

    @Override
    public void control(ControlRequest request, StreamObserver<ControlAck> observer) {
        var to = (ServerCallStreamObserver<ControlAck>) observer;
        run(
                request.getSessionUid(),
                to,
                (tail, viewer) -> {
                    owners.control(tail, request, to::onNext);
                    to.onCompleted();
                });
    }

    @Override
    public void heartbeat(HeartbeatRequest request, StreamObserver<HeartbeatResponse> observer) {
        var to = (ServerCallStreamObserver<HeartbeatResponse>) observer;
        run(
                request.getSessionUid(),
                to,
                (tail, viewer) -> {
                    to.onNext(owners.heartbeat(tail, request));
                    to.onCompleted();
                });
    }
}
