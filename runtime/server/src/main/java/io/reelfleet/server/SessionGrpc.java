package io.reelfleet.server;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.MediaSegment;
import io.reelfleet.api.runtime.v1.ChunkEvent;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.HeartbeatResponse;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc;
import io.reelfleet.api.runtime.v1.WatchRequest;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import io.reelfleet.server.session.ChunkFeed;
import io.reelfleet.server.session.Refusal;
import io.reelfleet.server.session.SessionLoop;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Viewers' calls, which come through the gateway. */
@GrpcService
public final class SessionGrpc extends SessionServiceGrpc.SessionServiceImplBase {
    private static final Duration LOOK_UP = Duration.ofSeconds(1);

    private final Worker worker;

    SessionGrpc(Worker worker) {
        this.worker = worker;
    }

    @Override
    public void watch(WatchRequest request, StreamObserver<ChunkEvent> observer) {
        Optional<ChunkFeed> feed =
                Optional.ofNullable(worker.loop()).flatMap(l -> l.feed(request.getSessionUid()));
        if (feed.isEmpty()) {
            observer.onError(
                    Status.NOT_FOUND
                            .withDescription(
                                    "session %s is not on this worker"
                                            .formatted(request.getSessionUid()))
                            .asRuntimeException());
            return;
        }
        if (request.getFromChunk() < 0) {
            observer.onError(
                    Status.INVALID_ARGUMENT
                            .withDescription("from_chunk is negative: write 0 or more")
                            .asRuntimeException());
            return;
        }
        Viewing viewing =
                new Viewing(request, feed.get(), (ServerCallStreamObserver<ChunkEvent>) observer);
        Thread.ofVirtual().name("watch-" + request.getSessionUid()).start(viewing::run);
    }

    /** One viewer: sends chunk after chunk, as fast as it takes them. */
    private final class Viewing {
        private final String uid;
        private final ChunkFeed feed;
        private final ServerCallStreamObserver<ChunkEvent> observer;
        private final Semaphore ready = new Semaphore(0);
        private long next;
        private SessionLogReader reader;
        private ByteString sentInit = ByteString.EMPTY;

        Viewing(
                WatchRequest request,
                ChunkFeed feed,
                ServerCallStreamObserver<ChunkEvent> observer) {
            this.uid = request.getSessionUid();
            this.next = request.getFromChunk();
            this.feed = feed;
            this.observer = observer;
            observer.setOnReadyHandler(ready::release);
            observer.setOnCancelHandler(ready::release);
        }

        void run() {
            try {
                while (!observer.isCancelled()) {
                    switch (feed.await(next, LOOK_UP)) {
                        case ChunkFeed.Answer.Stored stored -> {
                            if (stored.entry().isPresent()) {
                                send(stored.entry().get());
                            } else {
                                send(fromStore());
                            }
                            next++;
                        }
                        case ChunkFeed.Answer.Ended ended -> {
                            observer.onNext(
                                    ChunkEvent.newBuilder()
                                            .setChunk(next)
                                            .setEnd(true)
                                            .setEndReason(ended.end().getReason())
                                            .build());
                            observer.onCompleted();
                            return;
                        }
                        case ChunkFeed.Answer.Gone gone -> {
                            observer.onError(
                                    Status.UNAVAILABLE
                                            .withDescription(gone.reason())
                                            .asRuntimeException());
                            return;
                        }
                        case ChunkFeed.Answer.NotYet notYet -> {}
                    }
                }
            } catch (StoreException e) {
                observer.onError(
                        Status.UNAVAILABLE.withDescription(e.getMessage()).asRuntimeException());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private LogEntry fromStore() throws StoreException {
            if (reader == null) {
                reader = SessionLogReader.atEnd(worker.store(), uid);
            }
            Optional<LogEntry> entry = reader.chunk(next);
            if (entry.isEmpty()) {
                reader = SessionLogReader.atEnd(worker.store(), uid);
                entry = reader.chunk(next);
            }
            return entry.orElseThrow(
                    () -> new StoreException("chunk %d of %s is not there".formatted(next, uid)));
        }

        private void send(LogEntry entry) throws InterruptedException {
            while (!observer.isReady() && !observer.isCancelled()) {
                // The handler wakes it; the time limit is for a transport that never does.
                if (ready.tryAcquire(100, TimeUnit.MILLISECONDS)) {
                    ready.drainPermits();
                }
            }
            if (observer.isCancelled()) {
                return;
            }
            MediaSegment media = entry.getChunk().getMedia();
            ChunkEvent.Builder event =
                    ChunkEvent.newBuilder()
                            .setChunk(entry.getChunk().getChunk())
                            .setEpoch(entry.getEpoch())
                            .setCodec(media.getCodec())
                            .setFragment(media.getFragment())
                            .setFrames(media.getFrames())
                            .setFirstFrame(media.getFirstFrame())
                            .setFps(media.getFps());
            if (!media.getInit().equals(sentInit)) {
                event.setInit(media.getInit());
                sentInit = media.getInit();
            }
            observer.onNext(event.build());
        }
    }

    @Override
    public void control(ControlRequest request, StreamObserver<ControlAck> observer) {
        if (request.getControlsCount() == 0 && !request.hasRewindTo()) {
            observer.onError(
                    Answers.status(
                            new Refusal(
                                    Refusal.Kind.INVALID,
                                    "controls is empty and there is no rewind_to: write at least one")));
            return;
        }
        SessionLoop loop = worker.loop();
        if (loop == null) {
            observer.onError(
                    Answers.status(
                            new Refusal(Refusal.Kind.UNAVAILABLE, "the worker is starting")));
            return;
        }
        OptionalLong rewindTo =
                request.hasRewindTo()
                        ? OptionalLong.of(request.getRewindTo())
                        : OptionalLong.empty();
        // Without an id of its own a repeated request is another one.
        String id =
                request.getRequestId().isEmpty()
                        ? UUID.randomUUID().toString()
                        : request.getRequestId();
        loop.control(request.getSessionUid(), request.getControlsList(), rewindTo, id)
                .whenComplete(
                        (controlled, error) -> {
                            if (error != null) {
                                observer.onError(Answers.status(error));
                                return;
                            }
                            observer.onNext(
                                    ack(ControlAck.Stage.STAGE_RECEIVED, controlled.chunk()));
                            Answers.send(
                                    controlled.applied(),
                                    chunk -> ack(ControlAck.Stage.STAGE_APPLIED, chunk),
                                    observer);
                        });
    }

    private static ControlAck ack(ControlAck.Stage stage, long chunk) {
        return ControlAck.newBuilder().setStage(stage).setChunk(chunk).build();
    }

    @Override
    public void heartbeat(HeartbeatRequest request, StreamObserver<HeartbeatResponse> observer) {
        SessionLoop loop = worker.loop();
        if (loop == null) {
            observer.onError(
                    Answers.status(
                            new Refusal(Refusal.Kind.UNAVAILABLE, "the worker is starting")));
            return;
        }
        double played = request.getPlayedS();
        if (!(played >= 0 && played < 1e9)) {
            observer.onError(
                    Answers.status(
                            new Refusal(
                                    Refusal.Kind.INVALID,
                                    "played_s is %s: write seconds from 0 on".formatted(played))));
            return;
        }
        Answers.send(
                loop.heartbeat(request.getSessionUid(), request.getViewer(), played),
                next -> HeartbeatResponse.newBuilder().setNextChunk(next).build(),
                observer);
    }
}
