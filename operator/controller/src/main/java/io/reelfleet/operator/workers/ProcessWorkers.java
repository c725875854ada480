package io.reelfleet.operator.workers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/**
 * Workers as processes of this machine. Three files per worker lie in one folder: {@code
 * NAME.launch.json} (written here: process id, pool, when), {@code NAME.json} (the worker's
 * endpoint file) and {@code NAME.log}. An operator that starts later finds the workers again by
 * them: one whose process lives is there.
 */
public final class ProcessWorkers implements WorkerProvider {
    private static final Logger LOG = Logger.getLogger(ProcessWorkers.class);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String LAUNCH = ".launch.json";
    private static final int TAIL_BYTES = 16_384;
    private static final int SENTENCE_LIMIT = 500;

    private final Path folder;
    private final List<String> command;
    private final Path jar;
    private final Map<String, String> common;
    private final Certificates certificates;
    private final Duration grace;
    private volatile Consumer<String> ended = pool -> {};

    /** Certifies workers. */
    public interface Certificates {
        /** Writes {@code ca.crt}, {@code tls.crt} and {@code tls.key} of a worker into a folder. */
        void write(String worker, Path folder) throws IOException;
    }

    /**
     * @param folder where the files lie; made when missing
     * @param command the program and its arguments up to the worker's settings, for instance {@code
     *     java}
     * @param jar the worker's program, run by {@code -jar} after the settings
     * @param common settings that every worker gets; a pool's own win
     * @param certificates null where workers talk in clear text
     * @param grace how long a worker may take to stop before it is killed
     */
    public ProcessWorkers(
            Path folder,
            List<String> command,
            Path jar,
            Map<String, String> common,
            Certificates certificates,
            Duration grace)
            throws IOException {
        this.folder = Files.createDirectories(folder).toAbsolutePath();
        this.command = List.copyOf(command);
        this.jar = jar;
        this.common = Map.copyOf(common);
        this.certificates = certificates;
        this.grace = grace;
    }

    /** Tells at once, with its pool, when a worker that is started from now on has ended. */
    public void follow(Consumer<String> listener) {
        ended = listener;
    }

    @Override
    public synchronized void start(WorkerLaunch launch) throws WorkerStartException {
        Path launchFile = folder.resolve(launch.name() + LAUNCH);
        if (Files.exists(launchFile)) {
            return;
        }
        if (!Files.isReadable(jar)) {
            throw new WorkerStartException(
                    "reelfleet.processes.server-jar: there is no worker program at "
                            + jar
                            + "; build it or name another");
        }
        List<String> line = new ArrayList<>(command);
        common.forEach(
                (key, value) -> {
                    if (!launch.settings().containsKey(key)) {
                        line.add("-D" + key + "=" + value);
                    }
                });
        launch.settings().forEach((key, value) -> line.add("-D" + key + "=" + value));
        line.add("-Dreelfleet.endpoint-file=" + folder.resolve(launch.name() + ".json"));
        if (certificates != null) {
            Path tls = folder.resolve(launch.name() + ".tls");
            try {
                certificates.write(launch.name(), tls);
            } catch (IOException e) {
                throw new WorkerStartException(
                        "the worker's certificate cannot be written to "
                                + tls
                                + ": "
                                + e.getMessage(),
                        e);
            }
            line.add("-Dreelfleet.tls.dir=" + tls);
        }
        line.add("-jar");
        line.add(jar.toString());
        ProcessBuilder builder = new ProcessBuilder(line);
        String threads = launch.settings().getOrDefault("reelfleet.worker.threads", "1");
        builder.environment().put("OMP_NUM_THREADS", threads);
        builder.environment().put("OMP_WAIT_POLICY", "passive");
        Path log = folder.resolve(launch.name() + ".log");
        builder.redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        try {
            Process process = builder.start();
            process.getOutputStream().close();
            ObjectNode file =
                    JSON.createObjectNode()
                            .put("pid", process.pid())
                            .put("pool", launch.pool())
                            .put("requested_at", Instant.now().toString());
            process.info()
                    .startInstant()
                    .ifPresent(start -> file.put("process_started_at", start.toString()));
            write(launchFile, file);
            process.onExit().thenRun(() -> ended.accept(launch.pool()));
        } catch (IOException e) {
            throw new WorkerStartException(
                    "a worker cannot be started with \""
                            + command.getFirst()
                            + "\": "
                            + e.getMessage(),
                    e);
        }
    }

    private static void write(Path file, JsonNode content) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        Files.write(next, JSON.writeValueAsBytes(content));
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Override
    public void stop(String pool, String worker) {
        JsonNode launch = read(folder.resolve(worker + LAUNCH));
        if (launch == null) {
            return;
        }
        process(launch).ifPresent(this::end);
        forget(worker);
    }

    /**
     * SIGTERM, and again: a worker that still has sessions goes on after the first one, so that
     * somebody may move them, and ends at the second. Who stops it here means it.
     */
    private void end(ProcessHandle process) {
        try {
            awaitEnd(process, grace);
            if (lives(process)) {
                LOG.warnf("process %d does not stop; it is killed", process.pid());
                process.destroyForcibly();
                awaitEnd(process, grace);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void awaitEnd(ProcessHandle process, Duration limit)
            throws InterruptedException {
        long until = System.nanoTime() + limit.toNanos();
        while (lives(process) && System.nanoTime() < until) {
            process.destroy();
            try {
                process.onExit().get(250, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                // A process that an earlier operator left behind ends as a zombie, which onExit
                // does not see.
            } catch (ExecutionException e) {
                return;
            }
        }
    }

    /** Ends every worker of this folder, all at once. */
    public void stopAll() {
        List<Thread> threads = new ArrayList<>();
        for (String worker : names()) {
            threads.add(Thread.ofVirtual().start(() -> stop(null, worker)));
        }
        for (Thread t : threads) {
            try {
                t.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    @Override
    public List<ProvidedWorker> list(String pool) {
        List<ProvidedWorker> there = new ArrayList<>();
        for (String name : names()) {
            JsonNode launch = read(folder.resolve(name + LAUNCH));
            if (launch == null || !launch.path("pool").asText().equals(pool)) {
                continue;
            }
            if (process(launch).isEmpty()) {
                forget(name);
                continue;
            }
            JsonNode endpoint = read(folder.resolve(name + ".json"));
            there.add(
                    new ProvidedWorker(
                            name,
                            endpoint == null || endpoint.path("port").asInt() == 0
                                    ? null
                                    : endpoint.path("host").asText("127.0.0.1")
                                            + ":"
                                            + endpoint.path("port").asInt(),
                            Instant.parse(launch.path("requested_at").asText()),
                            null,
                            null,
                            "",
                            ""));
        }
        return there;
    }

    @Override
    public String lastWords(String pool, String worker) {
        Path log = folder.resolve(worker + ".log");
        try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "r")) {
            long from = Math.max(0, file.length() - TAIL_BYTES);
            byte[] tail = new byte[(int) (file.length() - from)];
            file.seek(from);
            file.readFully(tail);
            String last = null;
            for (String line : new String(tail, StandardCharsets.UTF_8).split("\n")) {
                boolean trace =
                        line.isBlank()
                                || Character.isWhitespace(line.charAt(0))
                                || line.startsWith("Caused by");
                last = trace ? last : line.strip();
            }
            return last == null || last.length() <= SENTENCE_LIMIT
                    ? last
                    : last.substring(0, SENTENCE_LIMIT);
        } catch (IOException e) {
            return null;
        }
    }

    private List<String> names() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith(LAUNCH))
                    .map(f -> f.substring(0, f.length() - LAUNCH.length()))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(
                    "reelfleet.processes.dir " + folder + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Drops what says that the worker exists; its log stays. */
    private void forget(String worker) {
        try {
            Files.deleteIfExists(folder.resolve(worker + ".json"));
            Files.deleteIfExists(folder.resolve(worker + LAUNCH));
            for (String file : List.of("tls.key", "tls.crt", "ca.crt", "")) {
                Files.deleteIfExists(folder.resolve(worker + ".tls").resolve(file));
            }
        } catch (IOException e) {
            LOG.warnf("the files of worker %s cannot be removed: %s", worker, e.getMessage());
        }
    }

    private static JsonNode read(Path file) {
        try {
            return JSON.readTree(Files.readAllBytes(file));
        } catch (IOException e) {
            return null;
        }
    }

    /**
     * The worker's process if it lives and is the one that was started: process ids are used again.
     */
    private static Optional<ProcessHandle> process(JsonNode launch) {
        return ProcessHandle.of(launch.path("pid").asLong())
                .filter(ProcessWorkers::lives)
                .filter(
                        p ->
                                !launch.hasNonNull("process_started_at")
                                        || p.info()
                                                .startInstant()
                                                .map(
                                                        s ->
                                                                s.toString()
                                                                        .equals(
                                                                                launch.get(
                                                                                                "process_started_at")
                                                                                        .asText()))
                                                .orElse(true));
    }

    private static boolean lives(ProcessHandle process) {
        if (!process.isAlive()) {
            return false;
        }
        // Linux keeps a dead process whose parent has not asked for it; it looks alive to Java.
        Path stat = Path.of("/proc", Long.toString(process.pid()), "stat");
        try {
            String text = Files.readString(stat);
            return !text.startsWith("Z", text.lastIndexOf(')') + 2);
        } catch (IOException e) {
            return !Files.isDirectory(Path.of("/proc/self")) || process.isAlive();
        }
    }
}
