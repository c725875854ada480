package io.reelfleet.operator.allocator;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.quarkus.grpc.GlobalInterceptor;
import jakarta.enterprise.context.ApplicationScoped;

/**
 * Hands the authorization header of a gRPC call on to its method, which judges it off the event
 * loop.
 */
@ApplicationScoped
@GlobalInterceptor
public class AuthorizationHeader implements ServerInterceptor {
    /** The header's value; null when the caller sent none. */
    static final Context.Key<String> VALUE = Context.key("authorization");

    /** Whether another operator hands the call on. */
    static final Context.Key<Boolean> IS_FORWARDED = Context.keyWithDefault("forwarded", false);

    static final Metadata.Key<String> HEADER =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<String> FORWARDED =
            Metadata.Key.of("reelfleet-forwarded", Metadata.ASCII_STRING_MARSHALLER);

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        return Contexts.interceptCall(
                Context.current()
                        .withValue(VALUE, headers.get(HEADER))
                        .withValue(IS_FORWARDED, headers.containsKey(FORWARDED)),
                call,
                headers,
                next);
    }
}
