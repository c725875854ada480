package io.reelfleet.operator;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The packaged operator, started as people start it. */
final class OperatorProcess implements AutoCloseable {
    private static final Path JAR = Path.of("target/quarkus-app/quarkus-run.jar").toAbsolutePath();
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;
    private final Process process;
    private final Path endpoint;
    private final HttpClient http = HttpClient.newHttpClient();

    private OperatorProcess(Path folder, Process process, Path endpoint) {
        this.folder = folder;
        this.process = process;
        this.endpoint = endpoint;
    }

    /** Starts one; it keeps its files in the folder. */
    static OperatorProcess start(
            Path folder, Map<String, String> settings, Map<String, String> environment)
            throws IOException {
        Path endpoint = folder.resolve("operator.json");
        Files.deleteIfExists(endpoint);
        List<String> line = new ArrayList<>();
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(List.of("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        line.add("-Dquarkus.http.port=0");
        line.add("-Dquarkus.management.port=0");
        line.add("-Dreelfleet.endpoint-file=" + endpoint);
        line.add("-Dreelfleet.api.token-file=" + folder.resolve("api-token"));
        line.add("-Dreelfleet.tokens.key-file=" + folder.resolve("viewer-key.pem"));
        line.add("-Dreelfleet.parent-pid=" + ProcessHandle.current().pid());
        settings.forEach((key, value) -> line.add("-D" + key + "=" + value));
        line.addAll(List.of("-jar", JAR.toString()));
        ProcessBuilder builder = new ProcessBuilder(line);
        builder.environment().putAll(environment);
        builder.redirectErrorStream(true)
                .redirectOutput(
                        ProcessBuilder.Redirect.appendTo(folder.resolve("operator.log").toFile()));
        return new OperatorProcess(folder, builder.start(), endpoint);
    }

    /** Waits until it listens. */
    OperatorProcess ready() {
        eventually(
                Duration.ofSeconds(60),
                () -> {
                    assertThat(process.isAlive()).as(() -> log()).isTrue();
                    assertThat(endpoint).exists();
                });
        return this;
    }

    /** A call of its REST API, with the token. */
    HttpResponse<String> call(String method, String path, String type, String body)
            throws IOException, InterruptedException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + path))
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
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
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
