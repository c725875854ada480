package io.reelfleet.operator.allocator;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.reelfleet.api.allocator.v1.CloseSessionRequest;
import io.reelfleet.api.allocator.v1.GetSessionRequest;
import io.reelfleet.api.allocator.v1.IssueTokenRequest;
import io.reelfleet.api.allocator.v1.ListSessionsRequest;
import io.reelfleet.api.allocator.v1.MoveSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;
import io.reelfleet.operator.Operator;
import io.smallrye.common.annotation.RunOnVirtualThread;
import jakarta.inject.Inject;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.DELETE;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.PATCH;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.QueryParam;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/** The allocator's REST face: the same messages in protobuf's JSON form. */
@Path("/v1")
@Produces(MediaType.APPLICATION_JSON)
@Consumes(MediaType.WILDCARD)
@RunOnVirtualThread
public class AllocatorResource {
    private static final Pattern HAS_KIND = Pattern.compile("\"?kind\"?\\s*:\\s*\"?VideoSession");

    @Inject Operator operator;

    @HeaderParam(HttpHeaders.AUTHORIZATION)
    String authorization;

    @HeaderParam(HttpHeaders.CONTENT_TYPE)
    String contentType;

    /** Opens a session: an OpenSessionRequest, or a VideoSession document. */
    @POST
    @Path("/sessions")
    public Response open(String body) {
        return answer(
                Response.Status.CREATED,
                () -> {
                    boolean yaml = contentType != null && contentType.contains("yaml");
                    if (yaml || HAS_KIND.matcher(body).find()) {
                        return operator.allocator().open(authorization, body);
                    }
                    OpenSessionRequest.Builder request = OpenSessionRequest.newBuilder();
                    merge(body, request);
                    return operator.allocator().open(authorization, request.build());
                });
    }

    /** All sessions, or those of a namespace or a pool. */
    @GET
    @Path("/sessions")
    public Response list(
            @QueryParam("namespace") String namespace, @QueryParam("pool") String pool) {
        return answer(
                Response.Status.OK,
                () ->
                        operator.allocator()
                                .list(
                                        authorization,
                                        ListSessionsRequest.newBuilder()
                                                .setNamespace(
                                                        Objects.requireNonNullElse(namespace, ""))
                                                .setPool(Objects.requireNonNullElse(pool, ""))
                                                .build()));
    }

    /** One session. */
    @GET
    @Path("/sessions/{uid}")
    public Response get(@PathParam("uid") String uid) {
        return answer(
                Response.Status.OK,
                () ->
                        operator.allocator()
                                .get(
                                        authorization,
                                        GetSessionRequest.newBuilder().setUid(uid).build()));
    }

    /** Changes a session: an UpdateSessionRequest. */
    @PATCH
    @Path("/sessions/{uid}")
    public Response update(@PathParam("uid") String uid, String body) {
        return answer(
                Response.Status.OK,
                () -> {
                    UpdateSessionRequest.Builder request = UpdateSessionRequest.newBuilder();
                    merge(body, request);
                    return operator.allocator().update(authorization, request.setUid(uid).build());
                });
    }

    /** Closes a session. */
    @DELETE
    @Path("/sessions/{uid}")
    public Response close(@PathParam("uid") String uid) {
        return answer(
                Response.Status.OK,
                () ->
                        operator.allocator()
                                .close(
                                        authorization,
                                        CloseSessionRequest.newBuilder().setUid(uid).build()));
    }

    /** Moves a session while it streams: a MoveSessionRequest, or nothing. */
    @POST
    @Path("/sessions/{uid}/move")
    public Response move(@PathParam("uid") String uid, String body) {
        return answer(
                Response.Status.OK,
                () -> {
                    MoveSessionRequest.Builder request = MoveSessionRequest.newBuilder();
                    merge(body, request);
                    return operator.allocator().move(authorization, request.setUid(uid).build());
                });
    }

    /** A viewer's token: an IssueTokenRequest, or nothing. */
    @POST
    @Path("/sessions/{uid}/token")
    public Response token(@PathParam("uid") String uid, String body) {
        return answer(
                Response.Status.OK,
                () -> {
                    IssueTokenRequest.Builder request = IssueTokenRequest.newBuilder();
                    merge(body, request);
                    return operator.allocator().token(authorization, request.setUid(uid).build());
                });
    }

    /** The whole picture. */
    @GET
    @Path("/fleet")
    public Response fleet() {
        return answer(Response.Status.OK, () -> operator.allocator().fleet(authorization));
    }

    private static void merge(String body, Message.Builder request) {
        if (body == null || body.isBlank()) {
            return;
        }
        try {
            JsonFormat.parser().merge(body, request);
        } catch (InvalidProtocolBufferException e) {
            throw Status.INVALID_ARGUMENT
                    .withDescription(
                            "the body is no %s in JSON: %s"
                                    .formatted(
                                            request.getDescriptorForType().getName(),
                                            e.getMessage()))
                    .asRuntimeException();
        }
    }

    private static Response answer(
            Response.Status success, Supplier<? extends MessageOrBuilder> call) {
        try {
            String json = JsonFormat.printer().alwaysPrintFieldsWithNoPresence().print(call.get());
            return Response.status(success).entity(json).build();
        } catch (StatusRuntimeException e) {
            return Response.status(status(e.getStatus().getCode()))
                    .entity(Map.of("error", String.valueOf(e.getStatus().getDescription())))
                    .build();
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int status(Status.Code code) {
        return switch (code) {
            case INVALID_ARGUMENT -> 400;
            case UNAUTHENTICATED -> 401;
            case PERMISSION_DENIED -> 403;
            case NOT_FOUND -> 404;
            case ALREADY_EXISTS -> 409;
            case FAILED_PRECONDITION -> 422;
            case RESOURCE_EXHAUSTED -> 429;
            case UNAVAILABLE -> 503;
            case OK,
                    CANCELLED,
                    UNKNOWN,
                    DEADLINE_EXCEEDED,
                    ABORTED,
                    OUT_OF_RANGE,
                    UNIMPLEMENTED,
                    INTERNAL,
                    DATA_LOSS ->
                    500;
        };
    }
}
