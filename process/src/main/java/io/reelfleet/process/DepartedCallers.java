package io.reelfleet.process;

import io.grpc.ForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.vertx.ext.web.RoutingContext;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Tells gRPC methods that their caller has gone. Vert.x' gRPC server tells them only while the
 * caller still sends; and an answer to a stream that is no more would end the caller's whole
 * connection. A program makes it a global interceptor and puts {@link #number} into its HTTP
 * filters, which see when a request ends.
 */
public abstract class DepartedCallers implements ServerInterceptor {
    /** Where {@link #number} stands among the filters: after those who turn callers away. */
    protected static final int PRIORITY = 9_000;

    private static final Metadata.Key<String> CALL =
            Metadata.Key.of("reelfleet-call", Metadata.ASCII_STRING_MARSHALLER);

    private final Map<String, Call> calls = new ConcurrentHashMap<>();
    private final AtomicLong last = new AtomicLong();

    /** What is known of one call. */
    private static final class Call {
        private boolean gone;
        private Runnable cancel;

        synchronized boolean isGone() {
            return gone;
        }

        void end() {
            Runnable then;
            synchronized (this) {
                gone = true;
                then = cancel;
            }
            if (then != null) {
                then.run();
            }
        }

        void onEnd(Runnable then) {
            boolean now;
            synchronized (this) {
                cancel = then;
                now = gone;
            }
            if (now) {
                then.run();
            }
        }
    }

    /** Gives a gRPC request a number, by which its call is found, and watches for its end. */
    protected final void number(RoutingContext request) {
        String type = request.request().getHeader("content-type");
        if (type != null && type.startsWith("application/grpc")) {
            String number = Long.toString(last.incrementAndGet());
            Call call = new Call();
            calls.put(number, call);
            request.request().headers().set(CALL.name(), number);
            request.addEndHandler(
                    ended -> {
                        calls.remove(number);
                        call.end();
                    });
        }
        request.next();
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> inner, Metadata headers, ServerCallHandler<Q, A> next) {
        String number = headers.get(CALL);
        Call call = number == null ? null : calls.get(number);
        if (call == null) {
            return next.startCall(inner, headers);
        }
        Answering<Q, A> answering = new Answering<>(inner, call);
        ServerCall.Listener<Q> listener = next.startCall(answering, headers);
        call.onEnd(
                () -> {
                    if (!answering.closed) {
                        listener.onCancel();
                    }
                });
        return listener;
    }

    /** Answers for as long as there is somebody. */
    private static final class Answering<Q, A>
            extends ForwardingServerCall.SimpleForwardingServerCall<Q, A> {
        private final Call call;
        private volatile boolean closed;

        Answering(ServerCall<Q, A> inner, Call call) {
            super(inner);
            this.call = call;
        }

        @Override
        public boolean isCancelled() {
            return call.isGone() && !closed;
        }

        @Override
        public void sendMessage(A message) {
            if (!call.isGone()) {
                super.sendMessage(message);
            }
        }

        @Override
        public void close(io.grpc.Status status, Metadata trailers) {
            closed = true;
            if (!call.isGone()) {
                super.close(status, trailers);
            }
        }
    }
}
