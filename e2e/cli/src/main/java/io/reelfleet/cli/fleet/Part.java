package io.reelfleet.cli.fleet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.cli.Failure;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A child process that is one part of the fleet: it says in its endpoint file where it listens, and
 * logs into a file.
 */
final class Part {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String name;
    private final Process process;
    private final Path log;
    private final Path endpointFile;

    private Part(String name, Process process, Path log, Path endpointFile) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.endpointFile = endpointFile;
    }

    /**
     * Starts a program in a process group of its own, so that Ctrl-C reaches the launcher alone and
     * the fleet can be ended in order.
     *
     * @param settings configuration by key
     * @param environment variables that the process and its children get
     */
    static Part start(
            String name,
            Path jar,
            int megabytes,
            Map<String, String> settings,
            Map<String, String> environment,
            FleetFolder folder)
            throws IOException {
        Files.deleteIfExists(folder.endpoint(name));
        List<String> command = new ArrayList<>();
        command.add(java().toString());
        command.addAll(
                List.of(
                        "-Xmx" + megabytes + "m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow"));
        settings.forEach((key, value) -> command.add("-D" + key + "=" + value));
        command.add("-Dreelfleet.endpoint-file=" + folder.endpoint(name));
        command.add("-jar");
        command.add(jar.toString());
        return launch(name, command, environment, folder);
    }

    /** Starts any program, in a process group of its own, with its output in the folder's logs. */
    static Part launch(
            String name, List<String> program, Map<String, String> environment, FleetFolder folder)
            throws IOException {
        List<String> command = new ArrayList<>();
        for (String setsid : List.of("/usr/bin/setsid", "/bin/setsid")) {
            if (command.isEmpty() && Files.isExecutable(Path.of(setsid))) {
                command.add(setsid);
            }
        }
        command.addAll(program);
        Path log = folder.logs().resolve(name + ".log");
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .directory(folder.path().toFile())
                        .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().putAll(environment);
        return new Part(name, builder.start(), log, folder.endpoint(name));
    }

    /** The java that runs this program. */
    static Path java() {
        return Path.of(System.getProperty("java.home"), "bin", "java");
    }

    ProcessHandle handle() {
        return process.toHandle();
    }

    long pid() {
        return process.pid();
    }

    /**
     * Waits until the part listens.
     *
     * @return its port
     */
    int awaitListening(Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (true) {
            if (Files.exists(endpointFile)) {
                try {
                    JsonNode endpoint = JSON.readTree(endpointFile.toFile());
                    return endpoint.path("port").asInt();
                } catch (IOException e) {
                    throw new Failure(endpointFile + " cannot be read: " + e.getMessage(), e);
                }
            }
            checkAlive();
            if (System.nanoTime() > deadline) {
                throw new Failure(
                        "the "
                                + name
                                + " did not listen within "
                                + limit.toSeconds()
                                + " s; "
                                + lastWords());
            }
            process.waitFor(100, TimeUnit.MILLISECONDS);
        }
    }

    /** A sentence when the process has ended by itself. */
    void checkAlive() {
        if (!process.isAlive()) {
            throw new Failure(
                    "the " + name + " ended with code " + process.exitValue() + "; " + lastWords());
        }
    }

    private String lastWords() {
        return "the end of " + log + ":\n" + tail(log, 12);
    }

    /** The last lines of a log. */
    static String tail(Path log, int lines) {
        try {
            byte[] bytes = Files.readAllBytes(log);
            List<String> all =
                    new String(bytes, StandardCharsets.UTF_8)
                            .lines()
                            .filter(l -> !l.isBlank())
                            .toList();
            return String.join("\n", all.subList(Math.max(0, all.size() - lines), all.size()))
                    .indent(2)
                    .stripTrailing();
        } catch (IOException e) {
            return "  (it cannot be read: " + e.getMessage() + ")";
        }
    }
}
