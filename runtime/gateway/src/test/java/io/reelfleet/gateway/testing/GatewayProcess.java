package io.reelfleet.gateway.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The packaged gateway as a process, which ends with the one that started it. */
public final class GatewayProcess implements AutoCloseable {
    private final Process process;
    private final Path endpointFile;
    private final Path output;

    /**
     * Starts it.
     *
     * @param jar {@code quarkus-run.jar}
     * @param folder for its output and endpoint file
     */
    public GatewayProcess(Path jar, Path folder, Map<String, String> settings) throws IOException {
        endpointFile = folder.resolve("gateway-endpoint.json");
        output = folder.resolve("gateway.log");
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx192m");
        command.add("-XX:+UseSerialGC");
        command.add("-XX:TieredStopAtLevel=1");
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--sun-misc-unsafe-memory-access=allow");
        command.add("-Dreelfleet.endpoint-file=" + endpointFile);
        if (!settings.containsKey("reelfleet.parent-pid")) {
            command.add("-Dreelfleet.parent-pid=" + ProcessHandle.current().pid());
        }
        if (!settings.containsKey("quarkus.http.port")) {
            command.add("-Dquarkus.http.port=0");
        }
        command.add("-Dquarkus.management.port=0");
        settings.forEach((name, value) -> command.add("-D" + name + "=" + value));
        command.add("-jar");
        command.add(jar.toString());
        process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
    }

    /** Waits until it listens; its address. */
    public URI awaitAddress() throws IOException, InterruptedException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!Files.exists(endpointFile)) {
            if (!process.isAlive() || System.nanoTime() > until) {
                throw new IllegalStateException("the gateway did not start: " + output());
            }
            Thread.sleep(20);
        }
        JsonNode endpoint = new ObjectMapper().readTree(endpointFile.toFile());
        return URI.create("http://127.0.0.1:" + endpoint.path("port").asInt());
    }

    /** Where its health and metrics are. */
    public URI management() throws IOException {
        JsonNode endpoint = new ObjectMapper().readTree(endpointFile.toFile());
        return URI.create("http://127.0.0.1:" + endpoint.path("management_port").asInt());
    }

    /** Waits until it has ended by itself; its exit code. */
    public int awaitEnd() throws InterruptedException {
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException("the gateway goes on");
        }
        return process.exitValue();
    }

    /** What it wrote to stdout and stderr. */
    public String output() throws IOException {
        return Files.readString(output);
    }

    /** Ends it from one moment to the next, as a crash does. */
    public void kill() throws IOException, InterruptedException {
        process.destroyForcibly().waitFor();
        Files.deleteIfExists(endpointFile);
    }

    @Override
    public void close() {
        process.destroy();
        if (process.onExit().completeOnTimeout(null, 10, TimeUnit.SECONDS).join() == null) {
            process.destroyForcibly().onExit().join();
        }
    }
}
