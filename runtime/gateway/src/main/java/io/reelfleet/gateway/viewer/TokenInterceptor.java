package io.reelfleet.gateway.viewer;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.reelfleet.gateway.auth.ViewerTokens;
import io.reelfleet.gateway.auth.ViewerTokens.Viewer;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.util.Optional;

/**
 * Reads the viewer's token from a gRPC call; whether it is for the session asked for, the service
 * checks.
 */
@ApplicationScoped
class TokenInterceptor implements ServerInterceptor {
    static final Context.Key<Optional<Viewer>> VIEWER =
            Context.keyWithDefault("reelfleet.viewer", Optional.empty());

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    @Inject ViewerTokens tokens;

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        Optional<Viewer> viewer = tokens.viewer(ViewerTokens.bearer(headers.get(AUTHORIZATION)));
        return Contexts.interceptCall(
                Context.current().withValue(VIEWER, viewer), call, headers, next);
    }
}
