package io.reelfleet.gateway.viewer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.gateway.auth.ViewerCookie;
import io.reelfleet.gateway.auth.ViewerTokens;
import io.reelfleet.gateway.auth.ViewerTokens.Viewer;
import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.ChunkRun;
import io.reelfleet.gateway.follow.Fragment;
import io.reelfleet.gateway.follow.SessionTail;
import io.reelfleet.gateway.follow.SessionTails;
import io.reelfleet.gateway.hls.MediaPlaylist;
import io.reelfleet.gateway.worker.Heartbeats;
import io.reelfleet.gateway.worker.OwnerCalls;
import io.reelfleet.migration.StoreException;
import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jboss.logging.Logger;

/**
 * Everything below {@code /s/<uid>/} but the WebSocket. Each request has a virtual thread and may
 * wait.
 */
@Singleton
final class SessionRoutes {
    private static final Logger LOG = Logger.getLogger(SessionRoutes.class);
    private static final Pattern CHUNK = Pattern.compile("(0|[1-9]\\d{0,9})\\.m4s");
    private static final Pattern INIT = Pattern.compile("init-([0-9a-f]{16})\\.mp4");
    private static final String IMMUTABLE = "private, max-age=86400, immutable";
    private static final int LARGEST_BODY = 64 << 10;

    /** A picture may be among them. */
    private static final int LARGEST_CONTROLS = 1 << 20;

    /** A session's first chunk may need a worker first. */
    private static final Duration FIRST_CHUNK = Duration.ofSeconds(20);

    /** A blocking reload waits for one segment. */
    private static final Duration NEXT_CHUNK = Duration.ofSeconds(10);

    private final SessionTails tails;
    private final ViewerTokens tokens;
    private final Heartbeats heartbeats;
    private final OwnerCalls owners;
    private final GatewaySettings settings;
    private final ObjectMapper json;
    private final Counter chunks;
    private final Counter slow;

    SessionRoutes(
            SessionTails tails,
            ViewerTokens tokens,
            Heartbeats heartbeats,
            OwnerCalls owners,
            GatewaySettings settings,
            ObjectMapper json,
            MeterRegistry metrics) {
        this.tails = tails;
        this.tokens = tokens;
        this.heartbeats = heartbeats;
        this.owners = owners;
        this.settings = settings;
        this.json = json;
        this.chunks = metrics.counter("reelfleet_gateway_chunks", "by", "hls");
        this.slow = metrics.counter("reelfleet_gateway_slow_viewers_dropped", "by", "http");
    }

    void register(@Observes Router router) {
        router.get("/login").handler(c -> Pages.send(c, Pages.SIGN_IN));
        router.get("/s/:uid").handler(SessionRoutes::page);
        router.get("/s/:uid/index.m3u8").handler(c -> answer(c, this::playlist));
        router.get("/s/:uid/info").handler(c -> answer(c, this::info));
        router.get("/s/:uid/session.mp4").handler(c -> answer(c, this::wholeSession));
        router.post("/s/:uid/heartbeat").handler(c -> withBody(c, LARGEST_BODY, this::heartbeat));
        router.post("/s/:uid/control").handler(c -> withBody(c, LARGEST_CONTROLS, this::control));
        router.post("/s/:uid/login").handler(c -> withBody(c, LARGEST_BODY, this::login));
        router.get("/s/:uid/:name").handler(this::media);
        router.head("/s/:uid/:name").handler(this::media);
    }

    private void media(RoutingContext context) {
        String name = context.pathParam("name");
        Matcher chunk = CHUNK.matcher(name);
        Matcher init = INIT.matcher(name);
        if (chunk.matches()) {
            long k = Long.parseLong(chunk.group(1));
            answer(context, (c, tail) -> chunk(c, tail, k));
        } else if (init.matches()) {
            String hash = init.group(1);
            answer(context, (c, tail) -> init(c, tail, hash));
        } else {
            context.next();
        }
    }

    /** The page's links are relative: its address must end with a slash. */
    private static void page(RoutingContext context) {
        if (context.normalizedPath().endsWith("/")) {
            Pages.send(context, Pages.SESSION);
        } else {
            context.response()
                    .setStatusCode(307)
                    .putHeader("Location", context.pathParam("uid") + "/")
                    .end();
        }
    }

    private interface Answer {
        void to(RoutingContext context, SessionTail tail)
                throws IOException, InterruptedException, TimeoutException;
    }

    private void answer(RoutingContext context, Answer answer) {
        Viewer viewer = ViewerGate.viewer(context);
        Thread.ofVirtual()
                .name("viewer-" + viewer.uid())
                .start(
                        () -> {
                            try (SessionTails.Watch watch = tails.watch(viewer.uid())) {
                                answer.to(context, watch.tail());
                            } catch (StoreException e) {
                                later(context, 2);
                            } catch (TimeoutException e) {
                                slow.increment();
                                context.request().connection().close();
                            } catch (IOException e) {
                                // The viewer is gone.
                                context.request().connection().close();
                            } catch (InterruptedException e) {
                                later(context, 1);
                            } catch (RuntimeException e) {
                                LOG.errorf(
                                        e,
                                        "session %s: %s",
                                        viewer.uid(),
                                        context.request().path());
                                if (!context.response().headWritten()) {
                                    context.response().setStatusCode(500).end();
                                }
                            }
                        });
    }

    private static void later(RoutingContext context, int seconds) {
        HttpServerResponse response = context.response();
        if (!response.headWritten() && !response.closed()) {
            response.setStatusCode(503)
                    .putHeader("Retry-After", Integer.toString(seconds))
                    .putHeader("Cache-Control", "no-store")
                    .end();
        }
    }

    private static void bad(RoutingContext context, int status, String sentence) {
        context.response()
                .setStatusCode(status)
                .putHeader("Content-Type", "text/plain; charset=utf-8")
                .end(sentence + "\n");
    }

    // Playlist

    private void playlist(RoutingContext context, SessionTail tail)
            throws StoreException, InterruptedException {
        OptionalLong from = number(context, "from");
        OptionalLong awaited = number(context, "_HLS_msn");
        ChunkIndex log = tail.awaitChunk(from.orElse(0), FIRST_CHUNK);
        if (log.nextChunk() <= from.orElse(0) && log.end().isEmpty()) {
            later(context, 2);
            return;
        }
        if (awaited.isPresent()) {
            if (awaited.getAsLong() > log.nextChunk() + 2 && log.end().isEmpty()) {
                bad(context, 400, "_HLS_msn is more than two segments ahead of the live edge.");
                return;
            }
            log = tail.awaitChunk(awaited.getAsLong(), NEXT_CHUNK);
        }
        context.response()
                .putHeader("Content-Type", "application/vnd.apple.mpegurl")
                .putHeader("Cache-Control", "no-cache")
                .end(
                        from.isPresent()
                                ? MediaPlaylist.from(log, from.getAsLong())
                                : MediaPlaylist.of(log));
    }

    private static OptionalLong number(RoutingContext context, String parameter) {
        String text = context.request().getParam(parameter);
        return text != null && text.matches("\\d{1,10}")
                ? OptionalLong.of(Long.parseLong(text))
                : OptionalLong.empty();
    }

    // Segments

    private void chunk(RoutingContext context, SessionTail tail, long k)
            throws StoreException, InterruptedException {
        ChunkIndex log = tail.awaitChunk(k, Duration.ZERO);
        if (log.nextChunk() <= k && log.end().isEmpty()) {
            // A player may be one segment ahead of a gateway that has just started.
            log = tail.awaitChunk(k, Duration.ofSeconds(1));
        }
        Optional<ChunkRun> run = log.run(k);
        Optional<Fragment> fragment = tail.fragment(k);
        if (run.isEmpty() || fragment.isEmpty()) {
            bad(context, 404, "The session has no chunk " + k + ".");
            return;
        }
        Viewer viewer = ViewerGate.viewer(context);
        heartbeats.fetched(viewer.uid(), viewer.id(), run.get().secondsBefore(k));
        chunks.increment();
        send(
                context,
                fragment.get().bytes(),
                "video/iso.segment",
                "\"%d-%d-%s\"".formatted(run.get().epoch(), k, run.get().init()));
    }

    private void init(RoutingContext context, SessionTail tail, String hash)
            throws StoreException, InterruptedException {
        Optional<ByteString> init =
                tail.await(log -> log.init(hash).isPresent(), Duration.ofSeconds(1)).init(hash);
        if (init.isEmpty()) {
            bad(context, 404, "The session has no such initialisation segment.");
        } else {
            send(context, init.get(), "video/mp4", "\"" + hash + "\"");
        }
    }

    private static void send(RoutingContext context, ByteString body, String type, String etag) {
        HttpServerRequest request = context.request();
        HttpServerResponse response =
                context.response()
                        .putHeader("ETag", etag)
                        .putHeader("Cache-Control", IMMUTABLE)
                        .putHeader("Accept-Ranges", "bytes");
        if (etag.equals(request.getHeader("If-None-Match"))) {
            response.setStatusCode(304).end();
            return;
        }
        String ifRange = request.getHeader("If-Range");
        String range = ifRange == null || ifRange.equals(etag) ? request.getHeader("Range") : null;
        ByteString part =
                switch (ByteRange.of(range, body.size())) {
                    case ByteRange.Asked.Whole whole -> body;
                    case ByteRange.Asked.Unsatisfiable none -> {
                        response.setStatusCode(416)
                                .putHeader("Content-Range", "bytes */" + body.size());
                        yield ByteString.EMPTY;
                    }
                    case ByteRange.Asked.Part(ByteRange(int start, int end)) -> {
                        response.setStatusCode(206)
                                .putHeader(
                                        "Content-Range",
                                        "bytes %d-%d/%d".formatted(start, end - 1, body.size()));
                        yield body.substring(start, end);
                    }
                };
        response.putHeader("Content-Type", type)
                .putHeader("Content-Length", Integer.toString(part.size()));
        if (request.method() == HttpMethod.HEAD) {
            response.end();
        } else {
            response.end(Buffer.buffer(part.toByteArray()));
        }
    }

    /**
     * One file: the initialisation segment, then the fragments stored by now that go with it, from
     * {@code ?from=} on.
     */
    private void wholeSession(RoutingContext context, SessionTail tail)
            throws IOException, InterruptedException, TimeoutException {
        OptionalLong wanted = number(context, "from");
        ChunkIndex log = tail.awaitChunk(wanted.orElse(0), Duration.ZERO);
        long from = wanted.orElse(log.firstChunk());
        Optional<ChunkRun> first = log.run(from);
        if (first.isEmpty()) {
            bad(
                    context,
                    404,
                    from < log.firstChunk()
                            ? "Chunk %d is no longer kept: write ?from=%d."
                                    .formatted(from, log.firstChunk())
                            : "The session has no chunk " + from + " yet.");
            return;
        }
        String init = first.get().init();
        HttpServerResponse response =
                context.response()
                        .putHeader("Content-Type", "video/mp4")
                        .putHeader("Cache-Control", "no-store")
                        .putHeader(
                                "Content-Disposition",
                                "inline; filename=\"%s.mp4\"".formatted(tail.uid()))
                        .setChunked(true);
        long end = log.nextChunk();
        for (ChunkRun run : log.runs()) {
            if (run.firstChunk() > from && !run.init().equals(init)) {
                end = run.firstChunk();
                response.putHeader("X-Reelfleet-Next-Chunk", Long.toString(end));
                break;
            }
        }
        write(response, log.init(init).orElseThrow());
        for (long k = from; k < end; k++) {
            Optional<Fragment> fragment = tail.fragment(k);
            if (fragment.isEmpty()) {
                throw new IOException("chunk " + k + " is gone");
            }
            write(response, fragment.get().bytes());
        }
        await(response.end());
    }

    private void write(HttpServerResponse response, ByteString bytes)
            throws IOException, InterruptedException, TimeoutException {
        await(response.write(Buffer.buffer(bytes.toByteArray())));
    }

    /** Waits until the viewer has taken it: nothing is buffered for one that does not read. */
    private void await(Future<Void> written)
            throws IOException, InterruptedException, TimeoutException {
        try {
            written.toCompletionStage()
                    .toCompletableFuture()
                    .get(settings.slowViewer().toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new IOException(e.getCause());
        }
    }

    private void info(RoutingContext context, SessionTail tail)
            throws IOException, InterruptedException {
        context.response()
                .putHeader("Content-Type", "application/json")
                .putHeader("Cache-Control", "no-store")
                .end(
                        Buffer.buffer(
                                json.writeValueAsBytes(SessionInfo.of(tail.uid(), tail.index()))));
    }

    // What viewers post

    private interface Post {
        void take(RoutingContext context, Buffer body) throws IOException;
    }

    private static void withBody(RoutingContext context, int largest, Post post) {
        HttpServerRequest request = context.request();
        String length = request.getHeader("Content-Length");
        if (length == null && request.getHeader("Transfer-Encoding") == null) {
            length = "0";
        }
        if (length == null || !length.matches("\\d{1,9}")) {
            bad(context, 411, "Send a Content-Length.");
            return;
        }
        if (Integer.parseInt(length) > largest) {
            bad(context, 413, "The body is larger than " + largest + " bytes.");
            return;
        }
        Future<Buffer> whole = request.body();
        // Quarkus holds bodies back until somebody wants them.
        request.resume();
        whole.onSuccess(
                body -> {
                    try {
                        post.take(context, body);
                    } catch (IOException e) {
                        bad(context, 400, "The body cannot be read.");
                    }
                });
    }

    private void heartbeat(RoutingContext context, Buffer body) throws IOException {
        Viewer viewer = ViewerGate.viewer(context);
        JsonNode played = json.readTree(body.getBytes()).path("played_s");
        if (!played.isNumber() || !(played.asDouble() >= 0) || played.asDouble() > 1e9) {
            bad(context, 400, "played_s is missing: write the seconds of video played so far.");
            return;
        }
        heartbeats.played(viewer.uid(), viewer.id(), played.asDouble());
        context.response().setStatusCode(204).end();
    }

    /** Controls without a WebSocket: answers once the session's worker has received them. */
    private void control(RoutingContext context, Buffer body) throws IOException {
        Viewer viewer = ViewerGate.viewer(context);
        ControlRequest request;
        try {
            JsonNode message = json.readTree(body.getBytes());
            String id = message.path("id").asText("");
            request =
                    ViewerControls.read(
                            message,
                            viewer.uid(),
                            viewer.id() + "/" + (id.isEmpty() ? UUID.randomUUID() : id));
        } catch (IllegalArgumentException e) {
            bad(context, 400, e.getMessage());
            return;
        }
        Thread.ofVirtual()
                .name("control-" + viewer.uid())
                .start(
                        () -> {
                            try (SessionTails.Watch watch = tails.watch(viewer.uid())) {
                                owners.control(
                                        watch.tail(), request, ack -> received(context, ack));
                            } catch (StatusRuntimeException e) {
                                refused(context, e.getStatus());
                            } catch (InterruptedException e) {
                                later(context, 1);
                            }
                        });
    }

    /** The second acknowledgement has nobody to go to: who wants it watches the chunks. */
    private static void received(RoutingContext context, ControlAck ack) {
        if (ack.getStage() == ControlAck.Stage.STAGE_RECEIVED) {
            context.response()
                    .setStatusCode(202)
                    .putHeader("Content-Type", "application/json")
                    .putHeader("Cache-Control", "no-store")
                    .end("{\"stage\":\"received\",\"chunk\":%d}".formatted(ack.getChunk()));
        }
    }

    private static void refused(RoutingContext context, Status status) {
        if (context.response().headWritten() || context.response().closed()) {
            return;
        }
        String why =
                status.getDescription() == null
                        ? "The session's worker does not answer."
                        : status.getDescription();
        switch (status.getCode()) {
            case INVALID_ARGUMENT, OUT_OF_RANGE -> bad(context, 400, why);
            default -> later(context, 2);
        }
    }

    private void login(RoutingContext context, Buffer body) {
        String uid = context.pathParam("uid");
        String bearer = ViewerTokens.bearer(context.request().getHeader("Authorization"));
        String token = bearer != null ? bearer : FormFields.of(body.toString()).get("token");
        Optional<Viewer> viewer = tokens.viewer(token, uid);
        if (viewer.isEmpty()) {
            context.response()
                    .setStatusCode(401)
                    .putHeader("WWW-Authenticate", "Bearer realm=\"reelfleet\"")
                    .putHeader("Cache-Control", "no-store")
                    .end();
            return;
        }
        context.response()
                .putHeader(
                        "Set-Cookie",
                        ViewerCookie.of(viewer.get(), token, settings.secureCookies()))
                .putHeader("Cache-Control", "no-store");
        if (bearer != null) {
            context.response().setStatusCode(204).end();
        } else {
            context.response().setStatusCode(303).putHeader("Location", "./").end();
        }
    }
}
