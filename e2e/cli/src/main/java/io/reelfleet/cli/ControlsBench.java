package io.reelfleet.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.Checkout;
import io.reelfleet.cli.fleet.FleetFolder;
import io.reelfleet.cli.fleet.Folders;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * From when a viewer sends a control until the first chunk under it has arrived at that viewer,
 * over the whole road: WebSocket, gateway, worker, engine, session log, gateway, WebSocket. One
 * session alone on one worker, in real time, and controls at moments that have nothing to do with
 * its chunks.
 */
final class ControlsBench implements Bench {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int TIMES = 14;
    private static final Duration PATIENCE = Duration.ofSeconds(120);

    /** Seconds of video in one chunk of builtin:shapes. */
    private static final double CHUNK_SECONDS = 1.5;

    @Override
    public String name() {
        return "controls";
    }

    @Override
    public String measures() {
        return "from a viewer's control to the first chunk under it at that viewer, over the whole road";
    }

    @Override
    public List<Figure> run(Path out, PrintWriter progress) throws Exception {
        Path folder = out.resolve(".controls-bench");
        Folders.delete(folder);
        PoolDocument pool = PoolDocument.manual(1, 4, Duration.ofSeconds(60));
        List<Figure> figures = new ArrayList<>();
        try (LocalFleet fleet =
                        LocalFleet.start(
                                new LocalFleet.Settings(
                                        new FleetFolder(folder),
                                        Checkout.find(),
                                        pool,
                                        0,
                                        0,
                                        Duration.ofSeconds(60),
                                        true,
                                        Optional.empty()));
                HttpClient http =
                        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            Allocator allocator = fleet.allocator();
            awaitWorker(allocator);
            OpenSessionResponse session =
                    allocator.open(
                            OpenSessionRequest.newBuilder()
                                    .setSpec(
                                            SessionSpec.newBuilder()
                                                    .setName("steered")
                                                    .setNamespace("default")
                                                    .setPool(PoolDocument.NAME)
                                                    .setSeed(7)
                                                    .setPacing(Pacing.PACING_REALTIME)
                                                    .addControls(
                                                            Control.newBuilder()
                                                                    .setKind("prompt")
                                                                    .setText(prompt(0))))
                                    .build());
            Viewer viewer = new Viewer();
            WebSocket socket =
                    http.newWebSocketBuilder()
                            .header("Authorization", "Bearer " + session.getToken())
                            .buildAsync(
                                    URI.create(
                                            fleet.gatewayUrl().replace("http:", "ws:")
                                                    + "/s/"
                                                    + session.getSession().getSpec().getUid()
                                                    + "/ws"),
                                    viewer)
                            .get(30, TimeUnit.SECONDS);
            viewer.awaitChunk(3);
            Random random = new Random(1);
            figures.addAll(
                    figures(
                            "prompt_kept",
                            "a prompt, cache kept",
                            times(viewer, socket, random, progress, "keep")));
            figures.addAll(
                    figures(
                            "prompt_refreshed",
                            "a prompt, cache refreshed",
                            times(viewer, socket, random, progress, "refresh")));
            figures.addAll(
                    figures(
                            "rewind",
                            "a rewind by ten chunks",
                            times(viewer, socket, random, progress, "rewind")));
            socket.abort();
        } finally {
            Folders.delete(folder);
        }
        return figures;
    }

    private static double[] times(
            Viewer viewer, WebSocket socket, Random random, PrintWriter progress, String what)
            throws Exception {
        double[] seconds = new double[TIMES];
        for (int i = 0; i < TIMES; i++) {
            Thread.sleep(random.nextInt(1500));
            String id = what + i;
            long newest = viewer.newest();
            String message =
                    switch (what) {
                        case "rewind" ->
                                "{\"type\":\"control\",\"id\":\"%s\",\"rewind_to\":%d}"
                                        .formatted(id, Math.max(0, newest - 10));
                        default ->
                                "{\"type\":\"control\",\"id\":\"%s\",\"controls\":[{\"kind\":\"prompt\",\"text\":\"%s\",\"refresh\":%b}]}"
                                        .formatted(id, prompt(i + 1), what.equals("refresh"));
                    };
            long sent = System.nanoTime();
            socket.sendText(message, true).get(30, TimeUnit.SECONDS);
            long chunk = viewer.awaitReceived(id);
            seconds[i] = (viewer.awaitChunk(chunk) - sent) / 1e9;
        }
        progress.println("  " + what + ": " + TIMES + " measured");
        progress.flush();
        Arrays.sort(seconds);
        return seconds;
    }

    private static List<Figure> figures(String name, String what, double[] sorted) {
        return List.of(
                new Figure(
                        "control_" + name + "_p50_s",
                        what + ": to its first chunk at the viewer, p50",
                        sorted[sorted.length / 2],
                        "s",
                        CHUNK_SECONDS,
                        "one chunk interval"),
                new Figure(
                        "control_" + name + "_p95_s",
                        "the same, p95 (of " + sorted.length + ")",
                        sorted[(int) Math.ceil(0.95 * sorted.length) - 1],
                        "s",
                        2 * CHUNK_SECONDS,
                        "two chunk intervals"));
    }

    private static String prompt(int i) {
        String[] colours = {"red", "blue", "green", "yellow"};
        String[] shapes = {"circle", "square", "triangle"};
        return "a %s %s moving left and right on a black background"
                .formatted(colours[i % colours.length], shapes[i % shapes.length]);
    }

    private static void awaitWorker(Allocator allocator) throws InterruptedException {
        long until = System.nanoTime() + PATIENCE.toNanos();
        while (allocator.fleet().getPoolsList().stream().noneMatch(p -> p.getWorkersReady() > 0)) {
            if (System.nanoTime() > until) {
                throw new Failure("no worker became ready");
            }
            Thread.sleep(200);
        }
    }

    /** Notes when what arrived. */
    private static final class Viewer implements WebSocket.Listener {
        private final StringBuilder text = new StringBuilder();
        private final Map<Long, Long> arrived = new ConcurrentHashMap<>();
        private final Map<String, Long> received = new ConcurrentHashMap<>();
        private volatile String problem;
        private long announced = -1;

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
            text.append(part);
            if (last) {
                try {
                    JsonNode frame = JSON.readTree(text.toString());
                    switch (frame.path("type").asText()) {
                        case "chunk" -> announced = frame.path("chunk").asLong();
                        case "ack" -> {
                            if (frame.path("stage").asText().equals("received")) {
                                received.put(
                                        frame.path("id").asText(), frame.path("chunk").asLong());
                            }
                        }
                        case "init" -> announced = -1;
                        case "error" -> problem = frame.path("message").asText();
                        default -> {}
                    }
                } catch (IOException e) {
                    problem = e.getMessage();
                }
                text.setLength(0);
            }
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
            if (last && announced >= 0) {
                arrived.put(announced, System.nanoTime());
            }
            socket.request(1);
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            problem = String.valueOf(error.getMessage());
        }

        long newest() {
            return arrived.keySet().stream().mapToLong(Long::longValue).max().orElse(0);
        }

        long awaitReceived(String id) throws InterruptedException {
            long until = System.nanoTime() + PATIENCE.toNanos();
            while (!received.containsKey(id)) {
                check(until, "a control was not received");
                Thread.sleep(1);
            }
            return received.get(id);
        }

        /** When chunk {@code k} had arrived. */
        long awaitChunk(long k) throws InterruptedException {
            long until = System.nanoTime() + PATIENCE.toNanos();
            while (!arrived.containsKey(k)) {
                check(until, "chunk " + k + " did not arrive");
                Thread.sleep(1);
            }
            return arrived.get(k);
        }

        private void check(long until, String otherwise) {
            if (problem != null) {
                throw new Failure("the gateway says: " + problem);
            }
            if (System.nanoTime() > until) {
                throw new Failure(otherwise);
            }
        }
    }
}
