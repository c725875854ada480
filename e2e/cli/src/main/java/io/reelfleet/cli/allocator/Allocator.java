package io.reelfleet.cli.allocator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.IssueTokenRequest;
import io.reelfleet.api.allocator.v1.IssueTokenResponse;
import io.reelfleet.api.allocator.v1.ListSessionsResponse;
import io.reelfleet.api.allocator.v1.MoveSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;
import io.reelfleet.cli.Failure;
import io.reelfleet.trust.TlsContexts;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** A client of one operator. What the operator refuses comes back as its own sentence. */
public final class Allocator {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonFormat.Parser PARSER = JsonFormat.parser().ignoringUnknownFields();

    private final HttpClient http;
    private final String base;
    private final String token;

    /**
     * A client; nothing is asked yet.
     *
     * @param base {@code https://host:port}
     * @param token bearer token of API callers
     * @param authorityPem whose certificate the operator must show
     */
    public Allocator(String base, String token, String authorityPem) {
        this.base = base;
        this.token = token;
        this.http =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        // A machine that starts several workers at once may be slow to answer.
                        .connectTimeout(Duration.ofSeconds(20))
                        .sslContext(TlsContexts.trusting(authorityPem))
                        .build();
    }

    /** An answer that is no success. */
    public static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final int status;

        Refused(int status, String sentence) {
            super(sentence);
            this.status = status;
        }

        /** The HTTP status. */
        public int status() {
            return status;
        }
    }

    /** The whole picture. */
    public Fleet fleet() {
        return parse(send("GET", "/v1/fleet", null, null), Fleet.newBuilder()).build();
    }

    /** All sessions. */
    public ListSessionsResponse sessions() {
        return parse(send("GET", "/v1/sessions", null, null), ListSessionsResponse.newBuilder())
                .build();
    }

    /** One session. */
    public Session session(String uid) {
        return parse(send("GET", "/v1/sessions/" + uid, null, null), Session.newBuilder()).build();
    }

    /** Opens a session. */
    public OpenSessionResponse open(OpenSessionRequest request) {
        return parse(
                        send("POST", "/v1/sessions", print(request), "application/json"),
                        OpenSessionResponse.newBuilder())
                .build();
    }

    /** Opens the session of a VideoSession document, the same that {@code kubectl apply} takes. */
    public OpenSessionResponse openDocument(String yaml) {
        return parse(
                        send("POST", "/v1/sessions", yaml, "application/yaml"),
                        OpenSessionResponse.newBuilder())
                .build();
    }

    /** Changes what may change. */
    public Session update(UpdateSessionRequest request) {
        return parse(
                        send(
                                "PATCH",
                                "/v1/sessions/" + request.getUid(),
                                print(request),
                                "application/json"),
                        Session.newBuilder())
                .build();
    }

    /** Closes a session; its chunks stay in the store. */
    public void close(String uid) {
        send("DELETE", "/v1/sessions/" + uid, null, null);
    }

    /**
     * Orders a live move.
     *
     * @param worker where to; empty for any
     */
    public Session move(String uid, String worker) {
        MoveSessionRequest request = MoveSessionRequest.newBuilder().setWorker(worker).build();
        return parse(
                        send(
                                "POST",
                                "/v1/sessions/" + uid + "/move",
                                print(request),
                                "application/json"),
                        Session.newBuilder())
                .build();
    }

    /** A viewer's token. */
    public IssueTokenResponse token(String uid, Duration ttl) {
        IssueTokenRequest request =
                IssueTokenRequest.newBuilder()
                        .setUid(uid)
                        .setTtl(
                                com.google.protobuf.Duration.newBuilder()
                                        .setSeconds(ttl.toSeconds()))
                        .build();
        return parse(
                        send(
                                "POST",
                                "/v1/sessions/" + uid + "/token",
                                print(request),
                                "application/json"),
                        IssueTokenResponse.newBuilder())
                .build();
    }

    private String send(String method, String path, String body, String type) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(base + path))
                        .timeout(Duration.ofSeconds(30))
                        .header("Authorization", "Bearer " + token)
                        .header("Accept", "application/json")
                        .method(
                                method,
                                body == null
                                        ? HttpRequest.BodyPublishers.noBody()
                                        : HttpRequest.BodyPublishers.ofString(body));
        if (type != null) {
            request.header("Content-Type", type);
        }
        try {
            HttpResponse<String> response =
                    http.send(request.build(), HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() / 100 != 2) {
                throw new Refused(response.statusCode(), sentence(response));
            }
            return response.body();
        } catch (IOException e) {
            throw new Failure("the operator at " + base + " does not answer (" + e + ")", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure("interrupted while waiting for the operator at " + base, e);
        }
    }

    private static String sentence(HttpResponse<String> response) {
        try {
            JsonNode error = JSON.readTree(response.body()).path("error");
            if (error.isTextual()) {
                return error.asText();
            }
        } catch (IOException e) {
            // Not JSON: the status has to do.
        }
        return "the operator answered "
                + response.statusCode()
                + " to "
                + response.request().method()
                + " "
                + response.request().uri().getPath();
    }

    private static String print(MessageOrBuilder message) {
        try {
            return JsonFormat.printer().omittingInsignificantWhitespace().print(message);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static <B extends Message.Builder> B parse(String json, B builder) {
        try {
            PARSER.merge(json, builder);
            return builder;
        } catch (InvalidProtocolBufferException e) {
            throw new Failure("the operator's answer is not understood: " + e.getMessage(), e);
        }
    }
}
