package io.reelfleet.gateway.fleet;

import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.gateway.tls.PartsTls;
import io.reelfleet.process.StartupProblem;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The operator's REST interface, asked with the API token of the person who is signed in. */
@Singleton
class Operator {
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final Duration FRESH = Duration.ofMillis(400);
    private static final int MOST_ANSWERS = 256;

    private final GatewaySettings settings;
    private final PartsTls tls;
    private final ConcurrentHashMap<Question, Answer> answers = new ConcurrentHashMap<>();
    private HttpClient client;

    private record Question(String path, String apiToken) {
        @Override
        public String toString() {
            return path;
        }
    }

    private record Answer(HttpResponse<String> response, long at) {
        boolean fresh() {
            return System.nanoTime() - at < FRESH.toNanos();
        }
    }

    Operator(GatewaySettings settings, PartsTls tls) {
        this.settings = settings;
        this.tls = tls;
    }

    /** No answer came; the message is for the person. */
    static final class SilentException extends Exception {
        private static final long serialVersionUID = 1;

        SilentException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** An answer to GET, at most 0.4 s old: many open pages ask as much as one. */
    HttpResponse<String> get(String path, String apiToken) throws SilentException {
        Question question = new Question(path, apiToken);
        Answer known = answers.get(question);
        if (known != null && known.fresh()) {
            return known.response();
        }
        HttpResponse<String> response = ask("GET", path, apiToken, BodyPublishers.noBody());
        if (answers.size() >= MOST_ANSWERS) {
            answers.values().removeIf(a -> !a.fresh());
        }
        answers.put(question, new Answer(response, System.nanoTime()));
        return response;
    }

    HttpResponse<String> post(String path, String apiToken, String json) throws SilentException {
        return ask("POST", path, apiToken, BodyPublishers.ofString(json));
    }

    private HttpResponse<String> ask(
            String method, String path, String apiToken, HttpRequest.BodyPublisher body)
            throws SilentException {
        try {
            HttpRequest request =
                    HttpRequest.newBuilder(uri(path))
                            .timeout(PATIENCE)
                            .header("Authorization", "Bearer " + apiToken)
                            .header("Content-Type", "application/json")
                            .method(method, body)
                            .build();
            return client().send(request, BodyHandlers.ofString());
        } catch (IOException | StartupProblem | IllegalArgumentException e) {
            throw new SilentException("The operator does not answer.", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new SilentException("The operator was not waited for.", e);
        }
    }

    private URI uri(String path) throws SilentException {
        Optional<String> endpoint = settings.operatorEndpoint();
        if (endpoint.isEmpty()) {
            throw new SilentException("reelfleet.operator.endpoint is not set.", null);
        }
        URI uri = URI.create((tls.on() ? "https://" : "http://") + endpoint.get() + path);
        if (uri.getHost() == null) {
            throw new SilentException(
                    "reelfleet.operator.endpoint is '%s': write host:port."
                            .formatted(endpoint.get()),
                    null);
        }
        tls.check(uri.getHost());
        return uri;
    }

    private synchronized HttpClient client() {
        if (client == null) {
            HttpClient.Builder builder =
                    HttpClient.newBuilder()
                            .version(HttpClient.Version.HTTP_1_1)
                            .connectTimeout(Duration.ofSeconds(2));
            tls.sslContext().ifPresent(builder::sslContext);
            client = builder.build();
        }
        return client;
    }
}
