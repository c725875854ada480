package io.reelfleet.gateway.viewer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.grpc.StatusRuntimeException;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.quarkus.websockets.next.CloseReason;
import io.quarkus.websockets.next.HandshakeRequest;
import io.quarkus.websockets.next.OnClose;
import io.quarkus.websockets.next.OnOpen;
import io.quarkus.websockets.next.OnTextMessage;
import io.quarkus.websockets.next.WebSocket;
import io.quarkus.websockets.next.WebSocketConnection;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.gateway.auth.ViewerTokens;
import io.reelfleet.gateway.auth.ViewerTokens.Viewer;
import io.reelfleet.gateway.follow.ChunkIndex;
import io.reelfleet.gateway.follow.ChunkRun;
import io.reelfleet.gateway.follow.Fragment;
import io.reelfleet.gateway.follow.SessionTails;
import io.reelfleet.gateway.worker.Heartbeats;
import io.reelfleet.gateway.worker.OwnerCalls;
import io.reelfleet.migration.StoreException;
import io.smallrye.mutiny.TimeoutException;
import io.smallrye.mutiny.Uni;
import io.vertx.core.buffer.Buffer;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.jboss.logging.Logger;

/**
 * The WebSocket of a session: {@code ?from=k} starts at chunk k (default: the newest), {@code
 * ?media=none} leaves the pictures out.
 *
 * <p>Each chunk is a text frame that says what follows and a binary frame with the fragment; a new
 * initialisation segment comes before it in the same way. A viewer's thread asks for the next chunk
 * when the last one was taken, so a slow viewer falls behind in the log and is dropped when it
 * takes nothing at all.
 */
@WebSocket(path = "/s/{uid}/ws")
class SessionSocket {
    private static final Logger LOG = Logger.getLogger(SessionSocket.class);
    private static final Duration NEWS = Duration.ofSeconds(10);
    private static final int CONTROLS_AT_ONCE = 4;

    private final SessionTails tails;
    private final ViewerTokens tokens;
    private final Heartbeats heartbeats;
    private final OwnerCalls owners;
    private final ObjectMapper json;
    private final Duration slowViewer;
    private final Counter chunks;
    private final Counter slow;
    private final Map<String, Watching> watching = new ConcurrentHashMap<>();

    /** One open connection. */
    private record Watching(Viewer viewer, String id, Thread pump, Semaphore controls) {}

    SessionSocket(
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
        this.json = json;
        this.slowViewer = settings.slowViewer();
        this.chunks = metrics.counter("reelfleet_gateway_chunks", "by", "websocket");
        this.slow = metrics.counter("reelfleet_gateway_slow_viewers_dropped", "by", "websocket");
        metrics.gaugeMapSize("reelfleet_gateway_websocket_viewers", java.util.List.of(), watching);
    }

    @OnOpen
    void open(WebSocketConnection connection) {
        Optional<Viewer> viewer =
                viewer(connection.handshakeRequest(), connection.pathParam("uid"));
        if (viewer.isEmpty()) {
            // The gate has refused such a request before; its token may just have run out.
            connection.close(new CloseReason(4401, "sign in again")).subscribe().with(v -> {});
            return;
        }
        Map<String, String> query = FormFields.of(query(connection));
        Thread pump =
                Thread.ofVirtual()
                        .name("socket-" + viewer.get().uid())
                        .unstarted(() -> pump(connection, viewer.get(), query));
        watching.put(
                connection.id(),
                new Watching(
                        viewer.get(),
                        UUID.randomUUID().toString(),
                        pump,
                        new Semaphore(CONTROLS_AT_ONCE)));
        pump.start();
    }

    @OnClose
    void close(WebSocketConnection connection) {
        Watching gone = watching.remove(connection.id());
        if (gone != null) {
            gone.pump().interrupt();
        }
    }

    private static String query(WebSocketConnection connection) {
        return Objects.requireNonNullElse(connection.handshakeRequest().query(), "");
    }

    private Optional<Viewer> viewer(HandshakeRequest request, String uid) {
        String bearer = ViewerTokens.bearer(request.header("Authorization"));
        if (bearer != null) {
            return tokens.viewer(bearer, uid);
        }
        String wanted = ViewerTokens.cookie(uid) + "=";
        for (String header : request.headers("Cookie")) {
            for (String cookie : header.split(";")) {
                if (cookie.strip().startsWith(wanted)) {
                    return tokens.viewer(cookie.strip().substring(wanted.length()), uid);
                }
            }
        }
        return Optional.empty();
    }

    // To the viewer

    private void pump(WebSocketConnection connection, Viewer viewer, Map<String, String> query) {
        boolean media = !"none".equals(query.get("media"));
        try (SessionTails.Watch watch = tails.watch(viewer.uid())) {
            ChunkIndex log = watch.tail().index();
            long next = Math.max(0, log.nextChunk() - 1);
            String from = query.getOrDefault("from", "");
            if (from.matches("\\d{1,10}")) {
                next = Long.parseLong(from);
            }
            String init = "";
            SessionInfo shown = null;
            while (true) {
                SessionInfo now = SessionInfo.of(viewer.uid(), log);
                if (shown == null || changed(shown, now)) {
                    send(connection, now);
                    shown = now;
                }
                // What is no longer kept is left out.
                next = Math.max(next, log.firstChunk());
                if (log.run(next).isPresent()) {
                    ChunkRun run = log.run(next).get();
                    if (media && !run.init().equals(init)) {
                        init = run.init();
                        send(connection, new InitFrame(init, run.codec()));
                        send(connection, log.init(init).orElseThrow().toByteArray());
                    }
                    send(connection, ChunkFrame.of(run, next));
                    if (media) {
                        Optional<Fragment> fragment = watch.tail().fragment(next);
                        send(connection, fragment.orElseThrow().bytes().toByteArray());
                        chunks.increment();
                    }
                    next++;
                } else if (log.end().isPresent()) {
                    send(
                            connection,
                            new EndFrame(
                                    log.end().get().getReason(), log.end().get().getMessage()));
                    close(connection, 1000, "the session has ended");
                    return;
                } else {
                    if (System.currentTimeMillis() / 1000 >= viewer.expires()) {
                        close(connection, 4401, "sign in again");
                        return;
                    }
                    long wanted = next;
                    long epoch = log.owner().map(ChunkIndex.Ownership::epoch).orElse(-1L);
                    log =
                            watch.tail()
                                    .await(
                                            known ->
                                                    known.nextChunk() > wanted
                                                            || known.owner()
                                                                    .filter(o -> o.epoch() != epoch)
                                                                    .isPresent(),
                                            NEWS);
                }
            }
        } catch (TimeoutException e) {
            slow.increment();
            LOG.debugf("session %s: a WebSocket viewer takes nothing, dropped", viewer.uid());
            close(connection, 1008, "too slow");
        } catch (StoreException e) {
            close(connection, 1013, "try again later");
        } catch (InterruptedException e) {
            // Closed.
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        } catch (RuntimeException e) {
            LOG.debugf(e, "session %s: WebSocket viewer lost", viewer.uid());
            close(connection, 1011, "lost");
        }
    }

    private static boolean changed(SessionInfo before, SessionInfo now) {
        return before.epoch() != now.epoch()
                || !before.prompt().equals(now.prompt())
                || !before.state().equals(now.state());
    }

    /** Says that the next binary frame is an initialisation segment. */
    record InitFrame(String type, String init, String codec) {
        InitFrame(String init, String codec) {
            this("init", init, codec);
        }
    }

    /** Says that the next binary frame is a chunk's fragment. */
    record ChunkFrame(
            String type,
            long chunk,
            long epoch,
            String codec,
            String init,
            int frames,
            long firstFrame,
            double fps) {
        static ChunkFrame of(ChunkRun run, long k) {
            return new ChunkFrame(
                    "chunk",
                    k,
                    run.epoch(),
                    run.codec(),
                    run.init(),
                    run.frames(),
                    run.firstFrame() + (k - run.firstChunk()) * run.frames(),
                    run.fps());
        }
    }

    /** No chunk follows. */
    record EndFrame(String type, String reason, String message) {
        EndFrame(String reason, String message) {
            this("end", reason, message);
        }
    }

    /** A control has arrived at the worker, or is in force from that chunk on. */
    record AckFrame(String type, String id, String stage, long chunk) {
        AckFrame(String id, String stage, long chunk) {
            this("ack", id, stage, chunk);
        }
    }

    /** What the viewer sent cannot be done. */
    record ErrorFrame(String type, String id, String message) {
        ErrorFrame(String id, String message) {
            this("error", id, message);
        }
    }

    private void send(WebSocketConnection connection, Object frame) throws JsonProcessingException {
        taken(connection.sendText(json.writeValueAsString(frame)));
    }

    private void send(WebSocketConnection connection, byte[] bytes) {
        taken(connection.sendBinary(Buffer.buffer(bytes)));
    }

    private void taken(Uni<Void> sent) {
        sent.await().atMost(slowViewer);
    }

    private static void close(WebSocketConnection connection, int code, String why) {
        connection.close(new CloseReason(code, why)).subscribe().with(v -> {}, e -> {});
    }

    // From the viewer

    @OnTextMessage
    void message(WebSocketConnection connection, String text) {
        Watching from = watching.get(connection.id());
        if (from == null) {
            return;
        }
        JsonNode message;
        try {
            message = json.readTree(text);
        } catch (JsonProcessingException e) {
            later(connection, new ErrorFrame("", "This is not JSON."));
            return;
        }
        String id = message.path("id").asText("");
        switch (message.path("type").asText("")) {
            case "heartbeat" -> {
                double played = message.path("played_s").asDouble(-1);
                if (played >= 0 && played <= 1e9) {
                    heartbeats.played(from.viewer().uid(), from.id(), played);
                } else {
                    later(
                            connection,
                            new ErrorFrame(
                                    id,
                                    "played_s is missing: write the seconds of video played so far."));
                }
            }
            case "control" -> control(connection, from, id, message);
            default ->
                    later(connection, new ErrorFrame(id, "type is neither heartbeat nor control."));
        }
    }

    private void control(
            WebSocketConnection connection, Watching from, String id, JsonNode message) {
        ControlRequest request;
        try {
            request =
                    ViewerControls.read(
                            message,
                            from.viewer().uid(),
                            from.id() + "/" + (id.isEmpty() ? UUID.randomUUID() : id));
        } catch (IllegalArgumentException e) {
            later(connection, new ErrorFrame(id, e.getMessage()));
            return;
        }
        if (!from.controls().tryAcquire()) {
            later(connection, new ErrorFrame(id, "Too many controls at once: wait for the acks."));
            return;
        }
        Thread.ofVirtual()
                .name("control-" + from.viewer().uid())
                .start(
                        () -> {
                            try (SessionTails.Watch watch = tails.watch(from.viewer().uid())) {
                                owners.control(
                                        watch.tail(),
                                        request,
                                        ack ->
                                                later(
                                                        connection,
                                                        new AckFrame(
                                                                id,
                                                                ack.getStage()
                                                                        .name()
                                                                        .replace("STAGE_", "")
                                                                        .toLowerCase(
                                                                                java.util.Locale
                                                                                        .ROOT),
                                                                ack.getChunk())));
                            } catch (StatusRuntimeException e) {
                                String why = e.getStatus().getDescription();
                                later(
                                        connection,
                                        new ErrorFrame(
                                                id,
                                                why == null
                                                        ? "The session's worker does not answer."
                                                        : why));
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            } finally {
                                from.controls().release();
                            }
                        });
    }

    private void later(WebSocketConnection connection, Object frame) {
        try {
            connection.sendText(json.writeValueAsString(frame)).subscribe().with(v -> {}, e -> {});
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
