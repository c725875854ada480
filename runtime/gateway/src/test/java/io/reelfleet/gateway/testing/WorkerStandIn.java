package io.reelfleet.gateway.testing;

import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.HeartbeatResponse;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;

/** A worker as viewers see it: takes controls and heartbeats, and says what it took. */
public final class WorkerStandIn implements AutoCloseable {
    private final BlockingQueue<HeartbeatRequest> heartbeats = new LinkedBlockingQueue<>();
    private final List<ControlRequest> controls = new CopyOnWriteArrayList<>();
    private final boolean applies;
    private final Server server;

    /** A worker that applies controls at chunk 7, or one that only receives them. */
    public WorkerStandIn(boolean applies) {
        this.applies = applies;
        try {
            server =
                    Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
                            .addService(new Service())
                            .build()
                            .start();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private final class Service extends SessionServiceGrpc.SessionServiceImplBase {
        @Override
        public void control(ControlRequest request, StreamObserver<ControlAck> observer) {
            controls.add(request);
            if (request.getControls(0).getKind().equals("weather")) {
                observer.onError(
                        Status.INVALID_ARGUMENT
                                .withDescription("The model knows no control 'weather'.")
                                .asRuntimeException());
                return;
            }
            observer.onNext(
                    ControlAck.newBuilder()
                            .setStage(ControlAck.Stage.STAGE_RECEIVED)
                            .setChunk(6)
                            .build());
            if (applies) {
                observer.onNext(
                        ControlAck.newBuilder()
                                .setStage(ControlAck.Stage.STAGE_APPLIED)
                                .setChunk(7)
                                .build());
                observer.onCompleted();
            }
        }

        @Override
        public void heartbeat(
                HeartbeatRequest request, StreamObserver<HeartbeatResponse> observer) {
            heartbeats.add(request);
            observer.onNext(HeartbeatResponse.newBuilder().setNextChunk(3).build());
            observer.onCompleted();
        }
    }

    /** host:port. */
    public String endpoint() {
        return "127.0.0.1:" + server.getPort();
    }

    /** Heartbeats in the order they came. */
    public BlockingQueue<HeartbeatRequest> heartbeats() {
        return heartbeats;
    }

    /** Controls in the order they came. */
    public List<ControlRequest> controls() {
        return controls;
    }

    /** It is gone from one moment to the next. */
    public void die() {
        server.shutdownNow();
    }

    @Override
    public void close() {
        die();
    }
}
