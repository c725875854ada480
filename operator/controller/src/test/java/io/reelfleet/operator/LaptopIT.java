package io.reelfleet.operator;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.operator.stub.StubJar;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The operator without an API server: pools from a file, workers as processes, sessions through the
 * allocator.
 */
final class LaptopIT {
    private static final Duration SOON = Duration.ofSeconds(40);
    private static final String YAML = "application/yaml";
    private static final String JSON = "application/json";

    @TempDir Path folder;
    private Map<String, String> settings;
    private final List<OperatorProcess> started = new ArrayList<>();

    @BeforeEach
    void writePool() throws Exception {
        Files.writeString(
                folder.resolve("pools.yaml"),
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: GPUPool
                metadata: {name: demo, namespace: default}
                spec:
                  model: {name: stub, uri: "builtin:shapes"}
                  runtime: {device: Cpu}
                  scaling: {minGpus: 1, maxGpus: 2, capacityHint: 2, startupHint: 3s}
                """);
        settings = new LinkedHashMap<>();
        settings.put("reelfleet.kubernetes", "false");
        settings.put("reelfleet.workers", "processes");
        settings.put("reelfleet.pools-file", folder.resolve("pools.yaml").toString());
        settings.put("reelfleet.processes.dir", folder.resolve("processes").toString());
        settings.put("reelfleet.processes.server-jar", StubJar.write(folder).toString());
        settings.put("reelfleet.processes.java-options", "-Xmx64m");
        settings.put("reelfleet.processes.stop-on-exit", "true");
        settings.put("reelfleet.scale-down-delay", "3s");
        settings.put("reelfleet.worker-timeout", "4s");
        // Whoever reached for an API server would fail here.
        settings.put("quarkus.kubernetes-client.api-server-url", "http://127.0.0.1:1");
    }

    @AfterEach
    void stop() throws Exception {
        started.forEach(OperatorProcess::close);
        for (long pid : workerPids()) {
            ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
        }
    }

    private OperatorProcess start() throws Exception {
        OperatorProcess operator = OperatorProcess.start(folder, settings, Map.of());
        started.add(operator);
        return operator;
    }

    private List<Long> workerPids() throws Exception {
        List<Long> pids = new ArrayList<>();
        if (Files.isDirectory(folder.resolve("processes"))) {
            try (Stream<Path> files = Files.list(folder.resolve("processes"))) {
                for (Path file :
                        files.filter(f -> f.toString().endsWith(".launch.json")).toList()) {
                    pids.add(new ObjectMapper().readTree(file.toFile()).get("pid").asLong());
                }
            }
        }
        return pids;
    }

    private static String session(String name, String more) {
        return """
        apiVersion: reelfleet.io/v1alpha1
        kind: VideoSession
        metadata: {name: %s}
        spec:
          poolRef: {name: demo}
          prompt: a red circle
        %s"""
                .formatted(name, more.indent(2));
    }

    private static JsonNode read(HttpResponse<String> response) throws Exception {
        return new ObjectMapper().readTree(response.body());
    }

    private static String phase(OperatorProcess operator, String uid) throws Exception {
        return operator.get("/v1/sessions/" + uid).path("phase").asText();
    }

    private String open(OperatorProcess operator, String name) throws Exception {
        HttpResponse<String> opened =
                operator.call("POST", "/v1/sessions", YAML, session(name, ""));
        assertThat(opened.statusCode()).as(opened.body()).isEqualTo(201);
        assertThat(read(opened).path("token").asText()).contains(".");
        return read(opened).path("session").path("spec").path("uid").asText();
    }

    @Test
    void sessionsLiveThroughARestartOfTheOperatorAndTheDeathOfAWorker() throws Exception {
        OperatorProcess first = start().ready();
        List<String> uids = new ArrayList<>();
        for (String name : List.of("one", "two", "three")) {
            uids.add(open(first, name));
        }
        for (String uid : uids) {
            eventually(SOON, () -> assertThat(phase(first, uid)).isEqualTo("Running"));
        }
        JsonNode pool = first.get("/v1/fleet").path("pools").path(0);
        assertThat(pool.path("workersReady").asInt()).isEqualTo(2);
        assertThat(pool.path("sessionsActive").asInt()).isEqualTo(3);
        assertThat(first.get("/v1/fleet").path("term").asText()).isEqualTo("1");

        HttpResponse<String> suspended =
                first.call(
                        "PATCH",
                        "/v1/sessions/" + uids.get(0),
                        JSON,
                        "{\"desired\":\"DESIRED_SUSPENDED\"}");
        assertThat(suspended.statusCode()).as(suspended.body()).isEqualTo(200);
        eventually(SOON, () -> assertThat(phase(first, uids.get(0))).isEqualTo("Suspended"));

        // One worker dies while no operator runs.
        first.kill();
        List<Long> pids = workerPids();
        assertThat(pids).hasSize(2);
        ProcessHandle.of(pids.getFirst()).ifPresent(ProcessHandle::destroyForcibly);

        OperatorProcess second = start().ready();
        for (String uid : uids.subList(1, 3)) {
            eventually(SOON, () -> assertThat(phase(second, uid)).isEqualTo("Running"));
        }
        assertThat(second.get("/v1/fleet").path("term").asText()).isEqualTo("2");
        assertThat(phase(second, uids.get(0))).isEqualTo("Suspended");

        for (String uid : uids) {
            assertThat(second.call("DELETE", "/v1/sessions/" + uid, null, null).statusCode())
                    .isEqualTo(200);
        }
        eventually(
                SOON,
                () -> {
                    assertThat(second.get("/v1/sessions").path("sessions")).isEmpty();
                    assertThat(second.get("/v1/fleet").path("pools").path(0).path("workers"))
                            .hasSize(1);
                });

        second.close();
        assertThat(workerPids()).as("stop-on-exit").isEmpty();
    }

    @Test
    void aSecondOperatorOnTheSameFolderSaysSoAndEnds() throws Exception {
        start().ready();
        OperatorProcess second =
                OperatorProcess.start(
                        Files.createDirectory(folder.resolve("second")), settings, Map.of());
        started.add(second);
        assertThat(second.awaitExit()).isEqualTo(1);
        assertThat(second.log()).contains("another operator runs on reelfleet.processes.dir");
    }

    @Test
    void whatIsWrongWithARequestIsSaidInASentence() throws Exception {
        OperatorProcess operator = start().ready();
        record Wrong(String yaml, int status, String sentence) {}
        List<Wrong> all =
                List.of(
                        new Wrong(
                                session("a", "seed: -1"),
                                400,
                                "spec.seed: is negative; write a seed of 0 or more"),
                        new Wrong(
                                session("a", "").replace("name: demo", "name: other"),
                                422,
                                "there is no GPUPool default/other"),
                        new Wrong(
                                session("a", "").replace("name: a", "name: a, namespace: team"),
                                422,
                                "GPUPool team/demo"),
                        new Wrong(
                                session("a", "")
                                        .replace("name: a", "name: a, namespace: team")
                                        .replace(
                                                "{name: demo}", "{name: demo, namespace: default}"),
                                422,
                                "does not admit sessions of namespace team"),
                        new Wrong(
                                session("a", "").replace("a red circle", "x".repeat(5000)),
                                400,
                                "at most 4096 characters"),
                        new Wrong(
                                session("a", "colour: red"), 400, "unknown field \"spec.colour\""));
        for (Wrong wrong : all) {
            HttpResponse<String> answer = operator.call("POST", "/v1/sessions", YAML, wrong.yaml());
            assertThat(read(answer).path("error").asText()).contains(wrong.sentence());
            assertThat(answer.statusCode()).isEqualTo(wrong.status());
        }
        eventually(
                SOON,
                () ->
                        assertThat(
                                        operator.get("/v1/fleet")
                                                .path("pools")
                                                .path(0)
                                                .path("workersReady")
                                                .asInt())
                                .isEqualTo(1));
        HttpResponse<String> camera =
                operator.call(
                        "POST",
                        "/v1/sessions",
                        YAML,
                        session("a", "controls: [{kind: camera, numbers: [1, 2]}]"));
        assertThat(camera.statusCode()).isEqualTo(400);
        assertThat(camera.body())
                .contains("does not understand \\\"camera\\\"; write one of: prompt");

        HttpResponse<String> refresh =
                operator.call(
                        "POST", "/v1/sessions", YAML, session("a", "rewind: {id: x, chunk: -2}"));
        assertThat(refresh.statusCode()).isEqualTo(400);
        assertThat(refresh.body()).contains("spec.rewind.chunk: is negative");

        String uid = open(operator, "twice");
        HttpResponse<String> fork =
                operator.call(
                        "POST",
                        "/v1/sessions",
                        YAML,
                        session("branch", "from: {session: twice, chunk: 100000}"));
        assertThat(fork.statusCode()).isEqualTo(400);
        assertThat(fork.body()).contains("spec.from.chunk: session " + uid + " has ");
        HttpResponse<String> unknown =
                operator.call(
                        "POST",
                        "/v1/sessions",
                        YAML,
                        session("branch", "from: {session: nobody, chunk: 0}"));
        assertThat(unknown.statusCode()).isEqualTo(400);
        assertThat(unknown.body())
                .as("a worker has looked into the store")
                .contains("spec.from.session: the store has no nobody");
        HttpResponse<String> rewind =
                operator.call(
                        "PATCH",
                        "/v1/sessions/" + uid,
                        "application/json",
                        "{\"rewind\": {\"id\": \"1\", \"chunk\": 100000}}");
        assertThat(rewind.statusCode()).isEqualTo(400);
        assertThat(rewind.body()).contains("rewind.chunk: session " + uid + " has ");
        HttpResponse<String> unnamed =
                operator.call(
                        "PATCH",
                        "/v1/sessions/" + uid,
                        "application/json",
                        "{\"rewind\": {\"chunk\": 0}}");
        assertThat(unnamed.statusCode()).isEqualTo(400);
        assertThat(unnamed.body()).contains("spec.rewind.id");
        HttpResponse<String> twice =
                operator.call("POST", "/v1/sessions", YAML, session("twice", ""));
        assertThat(twice.statusCode()).isEqualTo(409);
        assertThat(operator.get("/v1/sessions/" + uid).path("spec").path("name").asText())
                .isEqualTo("twice");
    }

    @Test
    void aPortInUseIsOneSentence() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            settings.put("quarkus.http.port", Integer.toString(taken.getLocalPort()));
            OperatorProcess operator = start();
            assertThat(operator.awaitExit()).isEqualTo(1);
            assertThat(operator.log().lines())
                    .filteredOn(line -> !line.startsWith("WARNING"))
                    .containsExactly(
                            "port %d on 127.0.0.1 is in use: set quarkus.http.port to another one, or 0 for any that is free"
                                    .formatted(taken.getLocalPort()));
        }
    }

    @Test
    void whatIsWrongWithTheSettingsIsSaidInASentence() throws Exception {
        settings.remove("reelfleet.pools-file");
        OperatorProcess operator = start();
        assertThat(operator.awaitExit()).isEqualTo(1);
        assertThat(operator.log())
                .contains(
                        "reelfleet.pools-file is not set; write a file of GPUPool documents there");
    }
}
