package io.reelfleet.operator;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.trust.TlsContexts;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The packaged operator, started as people start it. */
final class OperatorProcess implements AutoCloseable {
    private static final Path JAR = Path.of("target/quarkus-app/quarkus-run.jar").toAbsolutePath();
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;
    private final Process process;
    private final Path endpoint;
    private final Optional<Path> tlsDir;
    private HttpClient http;

    private OperatorProcess(Path folder, Process process, Path endpoint, Optional<Path> tlsDir) {
        this.folder = folder;
        this.process = process;
        this.endpoint = endpoint;
        this.tlsDir = tlsDir;
    }

    /**
     * Starts one; it keeps its files in the folder. An empty setting takes one away that would be
     * set otherwise; with {@code reelfleet.tls.dir} it is called by HTTPS. Calls show what {@code
     * api-token} holds.
     */
    static OperatorProcess start(
            Path folder, Map<String, String> settings, Map<String, String> environment)
            throws IOException {
        Path endpoint = folder.resolve("operator.json");
        Files.deleteIfExists(endpoint);
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        Map<String, String> all = new LinkedHashMap<>();
        all.put("quarkus.http.port", "0");
        all.put("quarkus.management.port", "0");
        all.put("reelfleet.endpoint-file", endpoint.toString());
        all.put("reelfleet.api.token-file", folder.resolve("api-token").toString());
        all.put("reelfleet.tokens.key-file", folder.resolve("viewer-key.pem").toString());
        all.put("reelfleet.parent-pid", Long.toString(ProcessHandle.current().pid()));
        all.putAll(settings);
        all.forEach((key, value) -> line.add("-D" + key + "=" + value));
        line.addAll(List.of("-jar", JAR.toString()));
        ProcessBuilder builder = new ProcessBuilder(line);
        builder.environment().putAll(environment);
        builder.redirectErrorStream(true)
                .redirectOutput(
                        ProcessBuilder.Redirect.appendTo(folder.resolve("operator.log").toFile()));
        return new OperatorProcess(
                folder,
                builder.start(),
                endpoint,
                Optional.ofNullable(settings.get("reelfleet.tls.dir")).map(Path::of));
    }

    /** Waits until it listens. */
    OperatorProcess ready() {
        eventually(
                Duration.ofSeconds(60),
                () -> {
                    assertThat(process.isAlive()).as(() -> log()).isTrue();
                    assertThat(endpoint).as(() -> log()).exists();
                });
        return this;
    }

    /** A call of its REST API, with the token. */
    HttpResponse<String> call(String method, String path, String type, String body)
            throws IOException, InterruptedException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(
                                URI.create(
                                        (tlsDir.isPresent() ? "https" : "http")
                                                + "://127.0.0.1:"
                                                + port()
                                                + path))
                        .header(
                                "authorization",
                                "Bearer " + Files.readString(folder.resolve("api-token")).strip())
                        .method(
                                method,
                                body == null
                                        ? HttpRequest.BodyPublishers.noBody()
                                        : HttpRequest.BodyPublishers.ofString(body));
        if (type != null) {
            request.header("content-type", type);
        }
        return http().send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    private HttpClient http() throws IOException {
        if (http == null) {
            HttpClient.Builder builder = HttpClient.newBuilder();
            if (tlsDir.isPresent()) {
                builder.sslContext(
                        TlsContexts.trusting(Files.readString(tlsDir.get().resolve("ca.crt"))));
            }
            http = builder.build();
        }
        return http;
    }

    /** The JSON of a GET. */
    JsonNode get(String path) throws IOException, InterruptedException {
        return JSON.readTree(call("GET", path, null, null).body());
    }

    int port() throws IOException {
        return JSON.readTree(endpoint.toFile()).get("port").asInt();
    }

    String log() {
        try {
            return Files.readString(folder.resolve("operator.log"));
        } catch (IOException e) {
            return e.getMessage();
        }
    }

    int awaitExit() throws InterruptedException {
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }

    /** Dies without a word. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        process.waitFor();
    }

    /** Does nothing from now on, as a process on a machine that swaps. */
    void stall() throws IOException, InterruptedException {
        signal("STOP");
    }

    /** Goes on after a stall. */
    void goOn() throws IOException, InterruptedException {
        signal("CONT");
    }

    private void signal(String name) throws IOException, InterruptedException {
        assertThat(
                        new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                                .start()
                                .waitFor())
                .isZero();
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(15, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
