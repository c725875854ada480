package io.reelfleet.server;

import io.reelfleet.server.session.Refusal;
import jakarta.inject.Singleton;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/**
 * What every command passes first: a term lower than the highest seen is refused, and a request id
 * that was answered before gets the same answer.
 */
@Singleton
class CommandGate {
    private static final int MOST_ANSWERS_KEPT = 4096;

    private final Map<String, CompletableFuture<?>> answers =
            new LinkedHashMap<>() {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(
                        Map.Entry<String, CompletableFuture<?>> eldest) {
                    return size() > MOST_ANSWERS_KEPT;
                }
            };
    private long highestTerm;

    /** Refuses a term that is over; remembers a higher one. */
    synchronized void checkTerm(long term) {
        if (term < highestTerm) {
            throw new Refusal(
                    Refusal.Kind.STALE,
                    "STALE_TERM term %d is over, this worker follows term %d"
                            .formatted(term, highestTerm));
        }
        highestTerm = term;
    }

    /**
     * Runs a command once per request id. What could not be done for now is not remembered, so it
     * can be asked again.
     */
    <T> CompletableFuture<T> once(
            String requestId, Class<T> type, Supplier<CompletableFuture<T>> command) {
        if (requestId.isEmpty()) {
            return command.get();
        }
        CompletableFuture<T> answer;
        synchronized (this) {
            CompletableFuture<?> known = answers.get(requestId);
            if (known != null) {
                return known.thenApply(type::cast);
            }
            answer = new CompletableFuture<>();
            answers.put(requestId, answer);
        }
        command.get()
                .whenComplete(
                        (result, error) -> {
                            if (error == null) {
                                answer.complete(result);
                            } else {
                                if (again(error)) {
                                    forget(requestId);
                                }
                                answer.completeExceptionally(error);
                            }
                        });
        return answer;
    }

    private static boolean again(Throwable error) {
        Throwable cause = error.getCause() instanceof Refusal ? error.getCause() : error;
        return !(cause instanceof Refusal refusal)
                || refusal.kind() == Refusal.Kind.UNAVAILABLE
                || refusal.kind() == Refusal.Kind.DOES_NOT_FIT;
    }

    private synchronized void forget(String requestId) {
        answers.remove(requestId);
    }
}
