package io.reelfleet.operator.allocator;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.quarkus.grpc.GrpcService;
import io.reelfleet.api.allocator.v1.AllocatorServiceGrpc;
import io.reelfleet.api.allocator.v1.CloseSessionRequest;
import io.reelfleet.api.allocator.v1.CloseSessionResponse;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.GetFleetRequest;
import io.reelfleet.api.allocator.v1.GetSessionRequest;
import io.reelfleet.api.allocator.v1.IssueTokenRequest;
import io.reelfleet.api.allocator.v1.IssueTokenResponse;
import io.reelfleet.api.allocator.v1.ListSessionsRequest;
import io.reelfleet.api.allocator.v1.ListSessionsResponse;
import io.reelfleet.api.allocator.v1.MoveSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;
import io.reelfleet.operator.Operator;
import io.smallrye.common.annotation.Blocking;
import jakarta.inject.Inject;
import java.util.function.BiFunction;
import org.jboss.logging.Logger;

/** The allocator's gRPC face. */
@GrpcService
public class AllocatorGrpc extends AllocatorServiceGrpc.AllocatorServiceImplBase {
    private static final Logger LOG = Logger.getLogger(AllocatorGrpc.class);

    @Inject Operator operator;

    private <T> void answer(StreamObserver<T> observer, BiFunction<Allocation, String, T> call) {
        try {
            // What was handed on once is not handed on again: leadership is changing hands.
            Allocation allocation =
                    AuthorizationHeader.IS_FORWARDED.get()
                            ? operator.ownAllocator()
                            : operator.allocator();
            observer.onNext(call.apply(allocation, AuthorizationHeader.VALUE.get()));
            observer.onCompleted();
        } catch (StatusRuntimeException e) {
            observer.onError(e);
        } catch (RuntimeException e) {
            LOG.error("an allocator call failed", e);
            observer.onError(
                    Status.INTERNAL
                            .withDescription("the operator failed; its log says why")
                            .asRuntimeException());
        }
    }

    @Override
    @Blocking
    public void openSession(
            OpenSessionRequest request, StreamObserver<OpenSessionResponse> observer) {
        answer(observer, (allocator, authorization) -> allocator.open(authorization, request));
    }

    @Override
    @Blocking
    public void getSession(GetSessionRequest request, StreamObserver<Session> observer) {
        answer(observer, (allocator, authorization) -> allocator.get(authorization, request));
    }

    @Override
    @Blocking
    public void listSessions(
            ListSessionsRequest request, StreamObserver<ListSessionsResponse> observer) {
        answer(observer, (allocator, authorization) -> allocator.list(authorization, request));
    }

    @Override
    @Blocking
    public void updateSession(UpdateSessionRequest request, StreamObserver<Session> observer) {
        answer(observer, (allocator, authorization) -> allocator.update(authorization, request));
    }

    @Override
    @Blocking
    public void closeSession(
            CloseSessionRequest request, StreamObserver<CloseSessionResponse> observer) {
        answer(observer, (allocator, authorization) -> allocator.close(authorization, request));
    }

    @Override
    @Blocking
    public void moveSession(MoveSessionRequest request, StreamObserver<Session> observer) {
        answer(observer, (allocator, authorization) -> allocator.move(authorization, request));
    }

    @Override
    @Blocking
    public void issueToken(IssueTokenRequest request, StreamObserver<IssueTokenResponse> observer) {
        answer(observer, (allocator, authorization) -> allocator.token(authorization, request));
    }

    @Override
    @Blocking
    public void getFleet(GetFleetRequest request, StreamObserver<Fleet> observer) {
        answer(observer, (allocator, authorization) -> allocator.fleet(authorization));
    }
}
