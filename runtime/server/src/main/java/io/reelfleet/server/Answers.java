package io.reelfleet.server;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.reelfleet.server.session.Refusal;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;

/** Turns what the loop answers into what gRPC says. */
final class Answers {
    private Answers() {}

    static <A, B> void send(
            CompletableFuture<A> answer, Function<A, B> message, StreamObserver<B> observer) {
        answer.whenComplete(
                (result, error) -> {
                    if (error != null) {
                        observer.onError(status(error));
                    } else {
                        observer.onNext(message.apply(result));
                        observer.onCompleted();
                    }
                });
    }

    static StatusRuntimeException status(Throwable error) {
        Throwable cause =
                error instanceof CompletionException && error.getCause() != null
                        ? error.getCause()
                        : error;
        if (cause instanceof Refusal refusal) {
            Status status =
                    switch (refusal.kind()) {
                        case INVALID -> Status.INVALID_ARGUMENT;
                        case UNKNOWN_SESSION -> Status.NOT_FOUND;
                        case STALE, NOT_ADMITTING -> Status.FAILED_PRECONDITION;
                        case DOES_NOT_FIT -> Status.RESOURCE_EXHAUSTED;
                        case UNAVAILABLE -> Status.UNAVAILABLE;
                    };
            return status.withDescription(refusal.getMessage()).asRuntimeException();
        }
        return Status.INTERNAL.withDescription(String.valueOf(cause)).asRuntimeException();
    }
}
