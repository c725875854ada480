package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.AdmitResponse;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.CommandResponse;
import io.reelfleet.api.runtime.v1.ReportRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.runtime.v1.WorkerServiceGrpc;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A worker as its operator starts it: the built program in a process of its own. */
final class WorkerProcess implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Pattern ENDPOINT =
            Pattern.compile("\"port\":(\\d+),\"management_port\":(\\d+)");

    final String name;
    final Process process;
    final Path log;
    final int port;
    final int managementPort;
    private final ManagedChannel channel;

    private WorkerProcess(String name, Process process, Path log, int port, int managementPort) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.port = port;
        this.managementPort = managementPort;
        this.channel = ManagedChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
    }

    /** Starts the program; answers once it has ended or has written its endpoint file. */
    static Process launch(Path folder, String name, Map<String, String> settings)
            throws IOException {
        Path jar = Path.of("target", "quarkus-app", "quarkus-run.jar").toAbsolutePath();
        assertThat(jar).as("the built worker").exists();
        List<String> command =
                new ArrayList<>(
                        List.of(
                                ProcessHandle.current().info().command().orElse("java"),
                                "-Xmx384m",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow"));
        settings.forEach((key, value) -> command.add("-D" + key + "=" + value));
        command.addAll(List.of("-jar", jar.toString()));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve(name + ".log").toFile())
                .start();
    }

    static WorkerProcess start(Path folder, String name, Map<String, String> extra)
            throws Exception {
        Path endpoint = folder.resolve(name + ".json");
        Map<String, String> settings =
                new java.util.LinkedHashMap<>(
                        Map.of(
                                "reelfleet.store",
                                "file:" + folder.resolve("store"),
                                "reelfleet.worker.name",
                                name,
                                "reelfleet.worker.pool",
                                "default/test",
                                "reelfleet.endpoint-file",
                                endpoint.toString(),
                                "reelfleet.parent-pid",
                                Long.toString(ProcessHandle.current().pid()),
                                "quarkus.http.port",
                                "0",
                                "quarkus.management.port",
                                "0"));
        settings.putAll(extra);
        Process process = launch(folder, name, settings);
        Path log = folder.resolve(name + ".log");
        await(
                name + " to listen",
                () -> Files.exists(endpoint) || !process.isAlive(),
                () -> read(log));
        assertThat(process.isAlive()).as(read(log)).isTrue();
        Matcher ports = ENDPOINT.matcher(Files.readString(endpoint));
        assertThat(ports.find()).isTrue();
        return new WorkerProcess(
                name,
                process,
                log,
                Integer.parseInt(ports.group(1)),
                Integer.parseInt(ports.group(2)));
    }

    WorkerProcess ready() {
        report(r -> r.getPhase() == WorkerPhase.WORKER_PHASE_READY);
        return this;
    }

    WorkerServiceGrpc.WorkerServiceBlockingStub commands() {
        return WorkerServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    SessionServiceGrpc.SessionServiceBlockingStub sessions() {
        return SessionServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    SessionServiceGrpc.SessionServiceStub viewers() {
        return SessionServiceGrpc.newStub(channel);
    }

    /** The first report that fulfils a condition. */
    WorkerReport report(Predicate<WorkerReport> condition) {
        // Reports come every second; the call must not end before its test does.
        Iterator<WorkerReport> reports =
                WorkerServiceGrpc.newBlockingStub(channel)
                        .withDeadlineAfter(1, TimeUnit.HOURS)
                        .report(ReportRequest.newBuilder().setTerm(1).setOperator("test").build());
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            WorkerReport report = reports.next();
            if (condition.test(report)) {
                return report;
            }
            assertThat(System.nanoTime()).as(report.toString()).isLessThan(deadline);
        }
    }

    AdmitResponse admit(SessionSpec spec, long epoch) {
        return commands()
                .admit(
                        AdmitRequest.newBuilder()
                                .setHeader(header(spec.getUid(), epoch))
                                .setSpec(spec)
                                .build());
    }

    CommandResponse suspend(String uid, long epoch) {
        return commands()
                .suspend(SessionCommand.newBuilder().setHeader(header(uid, epoch)).build());
    }

    CommandResponse resume(String uid, long epoch) {
        return commands().resume(SessionCommand.newBuilder().setHeader(header(uid, epoch)).build());
    }

    static CommandHeader header(String uid, long epoch) {
        return CommandHeader.newBuilder()
                .setSessionUid(uid)
                .setEpoch(epoch)
                .setTerm(1)
                .setRequestId(UUID.randomUUID().toString())
                .build();
    }

    static SessionSpec spec(String uid, long seed, Pacing pacing, long maxChunks) {
        return SessionSpec.newBuilder()
                .setUid(uid)
                .setName(uid)
                .setNamespace("default")
                .setSeed(seed)
                .setPacing(pacing)
                .setMaxChunks(maxChunks)
                .addControls(
                        Control.newBuilder().setKind("prompt").setText("a red ball moves left"))
                .build();
    }

    String output() {
        return read(log);
    }

    static String read(Path file) {
        try {
            return Files.exists(file) ? Files.readString(file) : "";
        } catch (IOException e) {
            return e.toString();
        }
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    static void await(
            String what, Condition condition, java.util.function.Supplier<String> otherwise)
            throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime())
                    .as("waited for %s: %s", what, otherwise.get())
                    .isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    /** STOP: it stands still and answers nobody; CONT: it goes on as if no time had passed. */
    void signal(String name) throws Exception {
        Process kill =
                new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                        .inheritIO()
                        .start();
        assertThat(kill.waitFor()).isZero();
    }

    /** SIGKILL: no chance to say goodbye. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() {
        channel.shutdownNow();
        process.destroy();
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
