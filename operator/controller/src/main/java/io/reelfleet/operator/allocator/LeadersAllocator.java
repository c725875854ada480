package io.reelfleet.operator.allocator;

import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.reelfleet.api.allocator.v1.AllocatorServiceGrpc;
import io.reelfleet.api.allocator.v1.AllocatorServiceGrpc.AllocatorServiceBlockingStub;
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
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A standby's way to the leader: each call goes on with the caller's own authorization, which the
 * leader judges.
 */
public final class LeadersAllocator implements Allocation, AutoCloseable {
    private static final long PATIENCE_SECONDS = 15;

    private final Supplier<Optional<String>> leader;
    private final Function<String, ManagedChannel> channels;
    private String endpoint = "";
    private ManagedChannel channel;

    /**
     * @param leader {@code host:port} of the operator that leads
     * @param channels opens a channel to an endpoint
     */
    public LeadersAllocator(
            Supplier<Optional<String>> leader, Function<String, ManagedChannel> channels) {
        this.leader = leader;
        this.channels = channels;
    }

    private synchronized ManagedChannel channel() {
        String now =
                leader.get()
                        .orElseThrow(
                                () ->
                                        Status.UNAVAILABLE
                                                .withDescription(
                                                        "no operator leads yet; try again in a moment")
                                                .asRuntimeException());
        if (!now.equals(endpoint)) {
            close();
            channel = channels.apply(now);
            endpoint = now;
        }
        return channel;
    }

    private <A> A ask(String authorization, Function<AllocatorServiceBlockingStub, A> call) {
        Metadata headers = new Metadata();
        headers.put(AuthorizationHeader.FORWARDED, "true");
        if (authorization != null) {
            headers.put(AuthorizationHeader.HEADER, authorization);
        }
        try {
            return call.apply(
                    AllocatorServiceGrpc.newBlockingStub(channel())
                            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                            .withDeadlineAfter(PATIENCE_SECONDS, TimeUnit.SECONDS));
        } catch (StatusRuntimeException e) {
            // What the leader itself says carries no cause.
            throw e.getStatus().getCause() != null
                            || e.getStatus().getCode() == Status.Code.DEADLINE_EXCEEDED
                    ? Status.UNAVAILABLE
                            .withDescription(
                                    "the operator that leads does not answer; try again in a moment")
                            .withCause(e)
                            .asRuntimeException()
                    : e;
        }
    }

    @Override
    public OpenSessionResponse open(String authorization, String document) {
        return open(
                authorization,
                Allocator.request(document, (ns, name) -> origin(authorization, ns, name)));
    }

    private String origin(String authorization, String namespace, String name) {
        try {
            return get(
                            authorization,
                            GetSessionRequest.newBuilder()
                                    .setNamespace(namespace)
                                    .setName(name)
                                    .build())
                    .getSpec()
                    .getUid();
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.NOT_FOUND) {
                return name;
            }
            throw e;
        }
    }

    @Override
    public OpenSessionResponse open(String authorization, OpenSessionRequest request) {
        return ask(authorization, leads -> leads.openSession(request));
    }

    @Override
    public Session get(String authorization, GetSessionRequest request) {
        return ask(authorization, leads -> leads.getSession(request));
    }

    @Override
    public ListSessionsResponse list(String authorization, ListSessionsRequest request) {
        return ask(authorization, leads -> leads.listSessions(request));
    }

    @Override
    public Session update(String authorization, UpdateSessionRequest request) {
        return ask(authorization, leads -> leads.updateSession(request));
    }

    @Override
    public CloseSessionResponse close(String authorization, CloseSessionRequest request) {
        return ask(authorization, leads -> leads.closeSession(request));
    }

    @Override
    public Session move(String authorization, MoveSessionRequest request) {
        return ask(authorization, leads -> leads.moveSession(request));
    }

    @Override
    public IssueTokenResponse token(String authorization, IssueTokenRequest request) {
        return ask(authorization, leads -> leads.issueToken(request));
    }

    @Override
    public Fleet fleet(String authorization) {
        return ask(authorization, leads -> leads.getFleet(GetFleetRequest.getDefaultInstance()));
    }

    @Override
    public synchronized void close() {
        if (channel != null) {
            channel.shutdown();
        }
    }
}
