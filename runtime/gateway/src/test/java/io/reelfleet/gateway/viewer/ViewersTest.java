package io.reelfleet.gateway.viewer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.quarkus.test.common.WithTestResource;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.reelfleet.api.runtime.v1.ChunkEvent;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc.SessionServiceBlockingStub;
import io.reelfleet.api.runtime.v1.WatchRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.gateway.hls.PlaylistCheck;
import io.reelfleet.gateway.testing.SampleVideo;
import io.reelfleet.gateway.testing.SyntheticSession;
import io.reelfleet.gateway.testing.TokenAuthority;
import io.reelfleet.gateway.testing.WorkerStandIn;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The whole gateway over logs that the test writes as workers would. */
@QuarkusTest
@WithTestResource(GatewayUnderTest.class)
@Timeout(60)
class ViewersTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final SampleVideo VIDEO = SampleVideo.load();
    private static HttpClient client;

    @TestHTTPResource("/")
    URI gateway;

    private final String uid = UUID.randomUUID().toString();
    private final String token = GatewayUnderTest.AUTHORITY.token(uid);
    private SyntheticSession session;

    @BeforeAll
    static void open() {
        client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    }

    @AfterAll
    static void close() {
        client.close();
    }

    @BeforeEach
    void newSession() {
        session = new SyntheticSession(GatewayUnderTest.store(), uid, "a red circle");
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(gateway.resolve("/s/" + uid + "/" + path));
    }

    private HttpResponse<byte[]> get(String path, String... headers) throws Exception {
        HttpRequest.Builder request = request(path).header("Authorization", "Bearer " + token);
        if (headers.length > 0) {
            request.headers(headers);
        }
        return client.send(request.build(), BodyHandlers.ofByteArray());
    }

    private String text(String path) throws Exception {
        HttpResponse<byte[]> response = get(path);
        assertThat(response.statusCode()).isEqualTo(200);
        return new String(response.body(), StandardCharsets.UTF_8);
    }

    // Tokens

    @Test
    void withoutAValidTokenThereAreNoBytes() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(3);
        String[] parts = token.split("\\.");
        String none =
                Base64.getUrlEncoder()
                        .withoutPadding()
                        .encodeToString("{\"alg\":\"none\"}".getBytes(StandardCharsets.UTF_8));
        List<String> bad = new ArrayList<>();
        bad.add(null);
        bad.add(GatewayUnderTest.AUTHORITY.token(UUID.randomUUID().toString()));
        bad.add(
                GatewayUnderTest.AUTHORITY.token(
                        uid, "reelfleet", "viewer", Instant.now().minusSeconds(1)));
        bad.add(new TokenAuthority().token(uid));
        bad.add(none + "." + parts[1] + ".");
        bad.add(parts[0] + "." + parts[1] + ".");
        bad.add(GatewayUnderTest.API_TOKEN);
        String init = PlaylistCheck.of(text("index.m3u8")).segments().getFirst().init();
        for (String path :
                List.of(
                        "",
                        "index.m3u8",
                        "0.m4s",
                        init,
                        "session.mp4",
                        "info",
                        "ws",
                        "x",
                        "..%2f",
                        "a/b")) {
            for (String wrong : bad) {
                HttpRequest.Builder request = request(path);
                HttpRequest.Builder unknown =
                        HttpRequest.newBuilder(gateway.resolve("/s/no-such-session/" + path));
                if (wrong != null) {
                    request.header("Authorization", "Bearer " + wrong);
                    unknown.header("Authorization", "Bearer " + wrong);
                    request.header("Cookie", "reelfleet_" + uid + "=" + wrong);
                }
                HttpResponse<byte[]> answer =
                        client.send(request.build(), BodyHandlers.ofByteArray());
                assertThat(answer.statusCode()).as(path).isEqualTo(401);
                assertThat(answer.body()).as(path).isEmpty();
                HttpResponse<byte[]> nobody =
                        client.send(unknown.build(), BodyHandlers.ofByteArray());
                assertThat(nobody.statusCode()).isEqualTo(401);
                assertThat(nobody.headers().map()).isEqualTo(answer.headers().map());
            }
        }
        HttpResponse<byte[]> query =
                client.send(
                        request("index.m3u8?token=" + token).build(), BodyHandlers.ofByteArray());
        assertThat(query.statusCode()).isEqualTo(401);
    }

    @Test
    void aCookieFromLoginPlaysOneSession() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(1);
        HttpResponse<byte[]> login =
                client.send(
                        request("login")
                                .header("Content-Type", "application/x-www-form-urlencoded")
                                .POST(BodyPublishers.ofString("token=" + token))
                                .build(),
                        BodyHandlers.ofByteArray());
        assertThat(login.statusCode()).isEqualTo(303);
        String set = login.headers().firstValue("Set-Cookie").orElseThrow();
        assertThat(set)
                .contains("HttpOnly", "SameSite=Strict", "Path=/s/" + uid + "/")
                .startsWith("reelfleet_" + uid + "=");
        String cookie = set.substring(0, set.indexOf(';'));
        HttpResponse<byte[]> list =
                client.send(
                        request("index.m3u8").header("Cookie", cookie).build(),
                        BodyHandlers.ofByteArray());
        assertThat(list.statusCode()).isEqualTo(200);
        HttpRequest.Builder beat =
                request("heartbeat")
                        .header("Cookie", cookie)
                        .POST(BodyPublishers.ofString("{\"played_s\":1}"));
        assertThat(client.send(beat.copy().build(), BodyHandlers.ofByteArray()).statusCode())
                .isEqualTo(204);
        HttpResponse<byte[]> foreign =
                client.send(
                        beat.copy().header("Origin", "http://127.0.0.1:1").build(),
                        BodyHandlers.ofByteArray());
        assertThat(foreign.statusCode()).isEqualTo(403);
        assertThat(foreign.body()).isEmpty();
        HttpResponse<byte[]> wrong =
                client.send(
                        request("login").POST(BodyPublishers.ofString("token=x")).build(),
                        BodyHandlers.ofByteArray());
        assertThat(wrong.statusCode()).isEqualTo(401);
        assertThat(wrong.body()).isEmpty();
    }

    @Test
    void browsersAreToldToTrustNobodyElse() throws Exception {
        HttpResponse<byte[]> page =
                client.send(HttpRequest.newBuilder(gateway).build(), BodyHandlers.ofByteArray());
        assertThat(page.statusCode()).isEqualTo(200);
        assertThat(page.headers().firstValue("Content-Security-Policy"))
                .hasValueSatisfying(
                        policy ->
                                assertThat(policy)
                                        .contains("default-src 'none'", "script-src 'self'")
                                        .doesNotContain("unsafe", "http"));
        String html = new String(page.body(), StandardCharsets.UTF_8);
        assertThat(html).doesNotContain("//", "style=", "onclick");
        for (String asset : List.of("hls.light.min.js", "fleet.js", "style.css")) {
            String path = html.replaceAll("(?s).*\"(/[^\"]*" + asset + ")\".*", "$1");
            assertThat(
                            client.send(
                                            HttpRequest.newBuilder(gateway.resolve(path)).build(),
                                            BodyHandlers.discarding())
                                    .statusCode())
                    .as(path)
                    .isEqualTo(200);
        }
    }

    // HLS

    @Test
    void playsAsHlsAndAsOneFile() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1)
                .chunks(5)
                .owner("w-2", "127.0.0.1:2", 2)
                .chunks(4)
                .end();
        PlaylistCheck list = PlaylistCheck.of(text("index.m3u8"));
        assertThat(list.ended()).isTrue();
        assertThat(list.segments()).hasSize(9);
        ByteArrayOutputStream played = new ByteArrayOutputStream();
        played.write(get(list.segments().getFirst().init()).body());
        for (int k = 0; k < 9; k++) {
            byte[] segment = get(list.segments().get(k).uri()).body();
            assertThat(segment).isEqualTo(VIDEO.segment(k).getFragment().toByteArray());
            played.write(segment);
        }
        HttpResponse<byte[]> file = get("session.mp4");
        assertThat(file.headers().firstValue("Content-Type")).contains("video/mp4");
        assertThat(file.body()).isEqualTo(played.toByteArray());
        assertThat(get("9.m4s").statusCode()).isEqualTo(404);
        assertThat(get("init-0000000000000000.mp4").statusCode()).isEqualTo(404);
    }

    @Test
    void segmentsCanBeCachedAndFetchedInParts() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(2);
        HttpResponse<byte[]> whole = get("1.m4s");
        String etag = whole.headers().firstValue("ETag").orElseThrow();
        assertThat(whole.headers().firstValue("Cache-Control").orElseThrow())
                .contains("private", "immutable");
        HttpResponse<byte[]> again = get("1.m4s", "If-None-Match", etag);
        assertThat(again.statusCode()).isEqualTo(304);
        assertThat(again.body()).isEmpty();
        HttpResponse<byte[]> part = get("1.m4s", "Range", "bytes=10-19");
        assertThat(part.statusCode()).isEqualTo(206);
        assertThat(part.headers().firstValue("Content-Range"))
                .contains("bytes 10-19/" + whole.body().length);
        assertThat(part.body()).isEqualTo(java.util.Arrays.copyOfRange(whole.body(), 10, 20));
        assertThat(get("1.m4s", "Range", "bytes=999999-").statusCode()).isEqualTo(416);
        HttpResponse<byte[]> head =
                client.send(
                        request("1.m4s")
                                .header("Authorization", "Bearer " + token)
                                .method("HEAD", BodyPublishers.noBody())
                                .build(),
                        BodyHandlers.ofByteArray());
        assertThat(head.statusCode()).isEqualTo(200);
        assertThat(head.headers().firstValueAsLong("Content-Length")).hasValue(whole.body().length);
    }

    @Test
    void aReloadWaitsForTheNextSegment() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(2);
        assertThat(PlaylistCheck.of(text("index.m3u8")).segments()).hasSize(2);
        CompletableFuture<HttpResponse<String>> reload =
                client.sendAsync(
                        request("index.m3u8?_HLS_msn=2")
                                .header("Authorization", "Bearer " + token)
                                .build(),
                        BodyHandlers.ofString());
        assertThat(PlaylistCheck.of(text("index.m3u8?_HLS_msn=1")).segments()).hasSize(2);
        assertThat(reload).isNotDone();
        session.chunks(1);
        assertThat(PlaylistCheck.of(reload.get(5, TimeUnit.SECONDS).body()).segments()).hasSize(3);
        assertThat(get("index.m3u8?_HLS_msn=99").statusCode()).isEqualTo(400);
    }

    @Test
    void aPlayerThatCameBeforeTheFirstChunkGetsIt() throws Exception {
        CompletableFuture<HttpResponse<String>> early =
                client.sendAsync(
                        request("index.m3u8").header("Authorization", "Bearer " + token).build(),
                        BodyHandlers.ofString());
        assertThat(JSON.readTree(text("info")).path("state").asText()).isEqualTo("waiting");
        session.owner("w-1", "127.0.0.1:1", 1).chunks(1);
        assertThat(PlaylistCheck.of(early.get(5, TimeUnit.SECONDS).body()).segments()).hasSize(1);
    }

    @Test
    void aSegmentCountsAsPlayedUpToItUntilThePlayerSaysBetter() throws Exception {
        try (WorkerStandIn worker = new WorkerStandIn(true)) {
            session.owner("w-1", worker.endpoint(), 1).chunks(4);
            get("3.m4s");
            HeartbeatRequest implied = worker.heartbeats().poll(5, TimeUnit.SECONDS);
            assertThat(implied.getSessionUid()).isEqualTo(uid);
            assertThat(implied.getPlayedS()).isEqualTo(SampleVideo.firstFrame(3) / SampleVideo.FPS);
            HttpRequest said =
                    request("heartbeat")
                            .header("Authorization", "Bearer " + token)
                            .POST(BodyPublishers.ofString("{\"played_s\": 0.75}"))
                            .build();
            assertThat(client.send(said, BodyHandlers.discarding()).statusCode()).isEqualTo(204);
            HeartbeatRequest heard = worker.heartbeats().poll(5, TimeUnit.SECONDS);
            assertThat(heard.getPlayedS()).isEqualTo(0.75);
            assertThat(heard.getViewer()).isEqualTo(implied.getViewer()).doesNotContain(token);
            get("2.m4s");
            assertThat(worker.heartbeats().poll(300, TimeUnit.MILLISECONDS)).isNull();
        }
    }

    // WebSocket

    /** Frames as they come; a text frame's binary frame is with it. */
    private static final class Frames implements WebSocket.Listener {
        private final BlockingQueue<JsonNode> texts = new LinkedBlockingQueue<>();
        private final BlockingQueue<byte[]> binaries = new LinkedBlockingQueue<>();
        private final CompletableFuture<Integer> closed = new CompletableFuture<>();
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream binary = new ByteArrayOutputStream();

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                try {
                    texts.add(JSON.readTree(text.toString()));
                } catch (java.io.IOException e) {
                    closed.completeExceptionally(e);
                }
                text.setLength(0);
            }
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
            byte[] bytes = new byte[data.remaining()];
            data.get(bytes);
            binary.writeBytes(bytes);
            if (last) {
                binaries.add(binary.toByteArray());
                binary.reset();
            }
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            closed.complete(code);
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            closed.completeExceptionally(error);
        }

        JsonNode next(String type) throws InterruptedException {
            while (true) {
                JsonNode frame = texts.poll(10, TimeUnit.SECONDS);
                assertThat(frame).as("a frame of type " + type).isNotNull();
                if (frame.path("type").asText().equals(type)) {
                    return frame;
                }
            }
        }
    }

    private WebSocket socket(String query, Frames frames) throws Exception {
        URI http = gateway.resolve("/s/" + uid + "/ws" + query);
        return client.newWebSocketBuilder()
                .header("Authorization", "Bearer " + token)
                .buildAsync(URI.create(http.toString().replace("http:", "ws:")), frames)
                .get(10, TimeUnit.SECONDS);
    }

    @Test
    void aWebSocketMissesNothingWhenTheSessionMoves() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(3);
        Frames frames = new Frames();
        WebSocket socket = socket("?from=1", frames);
        assertThat(frames.next("session").path("worker").asText()).isEqualTo("w-1");
        assertThat(frames.next("chunk").path("chunk").asLong()).isEqualTo(1);
        assertThat(frames.binaries.poll(5, TimeUnit.SECONDS))
                .isEqualTo(VIDEO.segment(1).getInit().toByteArray());
        session.owner("w-2", "127.0.0.1:2", 2).chunks(2).anotherEncoder().chunks(1).end();
        List<Long> chunks = new ArrayList<>(List.of(1L));
        for (int i = 0; i < 4; i++) {
            chunks.add(frames.next("chunk").path("chunk").asLong());
        }
        assertThat(chunks).containsExactly(1L, 2L, 3L, 4L, 5L);
        assertThat(frames.next("end").path("reason").asText()).isEqualTo("Completed");
        assertThat(frames.closed.get(10, TimeUnit.SECONDS)).isEqualTo(1000);
        List<byte[]> media = new ArrayList<>();
        frames.binaries.drainTo(media);
        assertThat(media).hasSize(6);
        assertThat(media.get(0)).isEqualTo(VIDEO.segment(1).getFragment().toByteArray());
        assertThat(media.get(3)).isEqualTo(VIDEO.segment(4).getFragment().toByteArray());
        assertThat(media.get(4))
                .isEqualTo(VIDEO.segmentOfAnotherEncoder(5).getInit().toByteArray());
        assertThat(media.get(5)).isEqualTo(VIDEO.segment(5).getFragment().toByteArray());
        socket.abort();
    }

    @Test
    void controlsAndHeartbeatsGoToWhoeverOwnsTheSession() throws Exception {
        try (WorkerStandIn first = new WorkerStandIn(false);
                WorkerStandIn second = new WorkerStandIn(true)) {
            session.owner("w-1", first.endpoint(), 1).chunks(2);
            Frames frames = new Frames();
            WebSocket socket = socket("?media=none", frames);
            frames.next("chunk");
            socket.sendText("{\"type\":\"heartbeat\",\"played_s\":0.5}", true).get();
            assertThat(first.heartbeats().poll(5, TimeUnit.SECONDS).getPlayedS()).isEqualTo(0.5);
            socket.sendText(
                            "{\"type\":\"control\",\"id\":\"c1\",\"controls\":[{\"kind\":\"prompt\",\"text\":\"a blue square\"}]}",
                            true)
                    .get();
            JsonNode received = frames.next("ack");
            assertThat(received.path("stage").asText()).isEqualTo("received");
            assertThat(received.path("id").asText()).isEqualTo("c1");
            // Its worker dies before it applies the control; the next owner does.
            session.owner("w-2", second.endpoint(), 2);
            first.die();
            JsonNode applied = frames.next("ack");
            assertThat(applied.path("stage").asText()).isEqualTo("applied");
            assertThat(applied.path("chunk").asLong()).isEqualTo(7);
            assertThat(second.controls()).hasSize(1);
            assertThat(second.controls().getFirst()).isEqualTo(first.controls().getFirst());
            socket.sendText("{\"type\":\"heartbeat\",\"played_s\":1.5}", true).get();
            assertThat(second.heartbeats().poll(5, TimeUnit.SECONDS).getPlayedS()).isEqualTo(1.5);
            socket.sendText(
                            "{\"type\":\"control\",\"id\":\"c2\",\"controls\":[{\"kind\":\"weather\",\"text\":\"rain\"}]}",
                            true)
                    .get();
            JsonNode error = frames.next("error");
            assertThat(error.path("id").asText()).isEqualTo("c2");
            assertThat(error.path("message").asText())
                    .isEqualTo("The model knows no control 'weather'.");
            socket.sendText("not json", true).get();
            assertThat(frames.next("error").path("message").asText()).contains("JSON");
            socket.abort();
        }
    }

    @Test
    void aForkIsWatchedFromItsSourcesFirstChunkAndARewindUnderTheNextNumbers() throws Exception {
        String source = UUID.randomUUID().toString();
        new SyntheticSession(GatewayUnderTest.store(), source, "a red circle")
                .owner("w-1", "127.0.0.1:1", 1)
                .chunks(6);
        session.forkOf(source, 3, "w-2").chunks(2);
        Frames frames = new Frames();
        WebSocket socket = socket("?from=0&media=none", frames);
        List<Long> chunks = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            chunks.add(frames.next("chunk").path("chunk").asLong());
        }
        session.rewind(1).chunks(2).end();
        for (int i = 0; i < 2; i++) {
            chunks.add(frames.next("chunk").path("chunk").asLong());
        }
        frames.next("end");
        socket.abort();

        assertThat(chunks).containsExactly(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L);
        assertThat(PlaylistCheck.of(text("index.m3u8")).segments()).hasSize(8);
        assertThat(get("2.m4s").body()).isEqualTo(VIDEO.segment(2).getFragment().toByteArray());
        assertThat(get("7.m4s").body()).isEqualTo(VIDEO.segment(7).getFragment().toByteArray());
        List<Long> watched = new ArrayList<>();
        grpc(
                token,
                stub -> {
                    stub.watch(WatchRequest.newBuilder().setSessionUid(uid).build())
                            .forEachRemaining(
                                    e -> {
                                        if (!e.getEnd()) {
                                            watched.add(e.getChunk());
                                        }
                                    });
                    return null;
                });
        assertThat(watched).isEqualTo(chunks);
        assertThat(get("session.mp4").statusCode()).isEqualTo(200);
    }

    @Test
    void whoIsBehindWhatIsKeptGoesOnWithTheOldestChunkThereIs() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(8).trim(5).chunks(2).end();
        Frames frames = new Frames();
        WebSocket socket = socket("?from=1&media=none", frames);
        assertThat(frames.next("chunk").path("chunk").asLong()).isEqualTo(5);
        socket.abort();

        String playlist = text("index.m3u8?from=0");
        assertThat(playlist).contains("#EXT-X-MEDIA-SEQUENCE:5\n");
        assertThat(PlaylistCheck.of(playlist).segments()).hasSize(5);
        assertThat(get("4.m4s").statusCode()).isEqualTo(404);
        assertThat(new String(get("session.mp4?from=2").body(), StandardCharsets.UTF_8))
                .isEqualTo("Chunk 2 is no longer kept: write ?from=5.\n");
        long oldest =
                grpc(
                        token,
                        stub ->
                                stub.watch(WatchRequest.newBuilder().setSessionUid(uid).build())
                                        .next()
                                        .getChunk());
        assertThat(oldest).isEqualTo(5);
    }

    @Test
    void rewindsPicturesAndRefreshesReachTheWorkerBySocketAndByPost() throws Exception {
        try (WorkerStandIn worker = new WorkerStandIn(true)) {
            session.owner("w-1", worker.endpoint(), 1).chunks(2);
            String picture = "data:image/png;base64," + "A".repeat(200_000);
            String controls =
                    "\"controls\":[{\"kind\":\"prompt\",\"text\":\"a blue square\",\"refresh\":true},{\"kind\":\"reference\",\"role\":\"first-frame\",\"image\":{\"uri\":\""
                            + picture
                            + "\"}}],\"rewind_to\":1}";
            Frames frames = new Frames();
            WebSocket socket = socket("?media=none", frames);
            frames.next("chunk");
            socket.sendText("{\"type\":\"control\",\"id\":\"c1\"," + controls, true).get();
            assertThat(frames.next("ack").path("chunk").asLong()).isEqualTo(6);
            socket.sendText("{\"type\":\"control\",\"rewind_to\":-1}", true).get();
            assertThat(frames.next("error").path("message").asText())
                    .isEqualTo("rewind_to is -1: write the number of a stored chunk, 0 or more.");
            socket.abort();
            HttpRequest.Builder post =
                    request("control").header("Authorization", "Bearer " + token);
            HttpResponse<String> received =
                    client.send(
                            post.copy().POST(BodyPublishers.ofString("{" + controls)).build(),
                            BodyHandlers.ofString());
            assertThat(received.statusCode()).isEqualTo(202);
            assertThat(received.body()).isEqualTo("{\"stage\":\"received\",\"chunk\":6}");
            HttpResponse<String> refused =
                    client.send(
                            post.copy()
                                    .POST(
                                            BodyPublishers.ofString(
                                                    "{\"controls\":[{\"kind\":\"weather\",\"text\":\"rain\"}]}"))
                                    .build(),
                            BodyHandlers.ofString());
            assertThat(refused.statusCode()).isEqualTo(400);
            assertThat(refused.body()).isEqualTo("The model knows no control 'weather'.\n");

            assertThat(worker.controls()).hasSize(3);
            for (ControlRequest each : worker.controls().subList(0, 2)) {
                assertThat(each.getRewindTo()).isEqualTo(1);
                assertThat(each.getControls(0).getRefresh()).isTrue();
                assertThat(each.getControls(1).getRole()).isEqualTo("first-frame");
                assertThat(each.getControls(1).getImage().getUri()).isEqualTo(picture);
            }
        }
    }

    // gRPC

    private <T> T grpc(
            String with, java.util.function.Function<SessionServiceBlockingStub, T> call) {
        ManagedChannel channel =
                Grpc.newChannelBuilder(
                                gateway.getHost() + ":" + gateway.getPort(),
                                InsecureChannelCredentials.create())
                        .build();
        try {
            Metadata headers = new Metadata();
            if (with != null) {
                headers.put(
                        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
                        "Bearer " + with);
            }
            return call.apply(
                    SessionServiceGrpc.newBlockingStub(channel)
                            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                            .withDeadlineAfter(20, TimeUnit.SECONDS));
        } finally {
            channel.shutdownNow();
        }
    }

    @Test
    void grpcWatchMissesNothingWhenTheSessionMoves() {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(3);
        List<ChunkEvent> events =
                grpc(
                        token,
                        stub -> {
                            List<ChunkEvent> got = new ArrayList<>();
                            Iterator<ChunkEvent> stream =
                                    stub.watch(
                                            WatchRequest.newBuilder()
                                                    .setSessionUid(uid)
                                                    .setFromChunk(1)
                                                    .build());
                            while (stream.hasNext()) {
                                got.add(stream.next());
                                if (got.size() == 2) {
                                    session.owner("w-2", "127.0.0.1:2", 2)
                                            .chunks(1)
                                            .anotherEncoder()
                                            .chunks(1)
                                            .end();
                                }
                            }
                            return got;
                        });
        assertThat(events).hasSize(5);
        for (int i = 0; i < 4; i++) {
            ChunkEvent event = events.get(i);
            assertThat(event.getChunk()).isEqualTo(i + 1);
            assertThat(event.getEpoch()).isEqualTo(i < 2 ? 1 : 2);
            assertThat(event.getFragment()).isEqualTo(VIDEO.segment(i + 1).getFragment());
            assertThat(event.getFirstFrame()).isEqualTo(SampleVideo.firstFrame(i + 1));
            assertThat(event.getInit().isEmpty()).isEqualTo(i == 1 || i == 2);
        }
        assertThat(events.getLast().getEnd()).isTrue();
        assertThat(events.getLast().getEndReason()).isEqualTo("Completed");
    }

    @Test
    void grpcNeedsATokenForThatSession() {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(1);
        String other = GatewayUnderTest.AUTHORITY.token(UUID.randomUUID().toString());
        for (String wrong : new String[] {null, "x", other, new TokenAuthority().token(uid)}) {
            WatchRequest watch = WatchRequest.newBuilder().setSessionUid(uid).build();
            Status status =
                    grpc(
                            wrong,
                            stub -> {
                                try {
                                    stub.watch(watch).next();
                                    return Status.OK;
                                } catch (StatusRuntimeException e) {
                                    return e.getStatus();
                                }
                            });
            assertThat(status.getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
        }
    }

    @Test
    void grpcControlAndHeartbeatReachTheOwner() {
        try (WorkerStandIn worker = new WorkerStandIn(true)) {
            session.owner("w-1", worker.endpoint(), 1).chunks(1);
            List<ControlAck> acks = new ArrayList<>();
            grpc(
                    token,
                    stub -> {
                        stub.control(
                                        ControlRequest.newBuilder()
                                                .setSessionUid(uid)
                                                .setRequestId("r")
                                                .addControls(
                                                        Control.newBuilder()
                                                                .setKind("prompt")
                                                                .setText("a blue square"))
                                                .build())
                                .forEachRemaining(acks::add);
                        return null;
                    });
            assertThat(acks)
                    .extracting(ControlAck::getStage)
                    .containsExactly(
                            ControlAck.Stage.STAGE_RECEIVED, ControlAck.Stage.STAGE_APPLIED);
            long next =
                    grpc(
                            token,
                            stub ->
                                    stub.heartbeat(
                                                    HeartbeatRequest.newBuilder()
                                                            .setSessionUid(uid)
                                                            .setPlayedS(0.5)
                                                            .build())
                                            .getNextChunk());
            assertThat(next).isEqualTo(3);
        }
    }

    // People

    @Test
    void thePageIsForWhoSignedIn() throws Exception {
        URI fleet = gateway.resolve("/api/fleet");
        HttpResponse<String> stranger =
                client.send(HttpRequest.newBuilder(fleet).build(), BodyHandlers.ofString());
        assertThat(stranger.statusCode()).isEqualTo(401);
        assertThat(stranger.body()).isEmpty();

        URI codes = gateway.resolve("/login/codes");
        HttpRequest.Builder ask = HttpRequest.newBuilder(codes).POST(BodyPublishers.noBody());
        assertThat(client.send(ask.copy().build(), BodyHandlers.ofString()).statusCode())
                .isEqualTo(401);
        String code =
                JSON.readTree(
                                client.send(
                                                ask.copy()
                                                        .header(
                                                                "Authorization",
                                                                "Bearer "
                                                                        + GatewayUnderTest
                                                                                .API_TOKEN)
                                                        .build(),
                                                BodyHandlers.ofString())
                                        .body())
                        .path("code")
                        .asText();
        HttpRequest enter =
                HttpRequest.newBuilder(gateway.resolve("/login"))
                        .header("Content-Type", "application/x-www-form-urlencoded")
                        .POST(BodyPublishers.ofString("code=" + code))
                        .build();
        HttpResponse<String> in = client.send(enter, BodyHandlers.ofString());
        assertThat(in.statusCode()).isEqualTo(200);
        String set = in.headers().firstValue("Set-Cookie").orElseThrow();
        assertThat(set)
                .contains("HttpOnly", "SameSite=Strict")
                .doesNotContain(GatewayUnderTest.API_TOKEN);
        assertThat(client.send(enter, BodyHandlers.ofString()).statusCode()).isEqualTo(401);

        String cookie = set.substring(0, set.indexOf(';'));
        HttpResponse<String> person =
                client.send(
                        HttpRequest.newBuilder(fleet).header("Cookie", cookie).build(),
                        BodyHandlers.ofString());
        assertThat(person.statusCode()).isEqualTo(200);
        assertThat(person.body()).isEqualTo("{\"pools\":[]}");

        session.owner("w-1", "127.0.0.1:1", 1).chunks(1);
        HttpRequest.Builder watch =
                HttpRequest.newBuilder(gateway.resolve("/api/sessions/" + uid + "/watch"))
                        .POST(BodyPublishers.noBody());
        assertThat(client.send(watch.copy().build(), BodyHandlers.ofString()).statusCode())
                .isEqualTo(401);
        HttpResponse<String> may =
                client.send(watch.copy().header("Cookie", cookie).build(), BodyHandlers.ofString());
        assertThat(may.headers().firstValue("Set-Cookie").orElseThrow())
                .startsWith("reelfleet_" + uid + "=");
        assertThat(may.body()).doesNotContain("token");
    }
}
