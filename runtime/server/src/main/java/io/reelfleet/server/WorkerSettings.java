package io.reelfleet.server;

import io.reelfleet.engine.GenerationOverrides;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.process.StartupProblem;
import io.reelfleet.server.session.Images;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;

/** The worker's settings, as docs/developers/processes.md lists them. */
record WorkerSettings(Config config) {

    static WorkerSettings current() {
        return new WorkerSettings(ConfigProvider.getConfig());
    }

    String store() {
        return text("reelfleet.store")
                .orElseThrow(
                        () ->
                                new StartupProblem(
                                        "reelfleet.store is not set: write file:/dir or s3://bucket/prefix, the chunk store that workers and gateways share"));
    }

    String name() {
        return text("reelfleet.worker.name")
                .orElseGet(
                        () ->
                                text("HOSTNAME")
                                        .orElseGet(
                                                () -> "worker-" + ProcessHandle.current().pid()));
    }

    String pool() {
        return text("reelfleet.worker.pool").orElse("");
    }

    String listenHost() {
        return text("quarkus.http.host").orElse("127.0.0.1");
    }

    /** The host that others reach this worker by. */
    String advertise() {
        return text("reelfleet.worker.advertise")
                .orElseGet(
                        () -> {
                            if (!listenHost().equals("0.0.0.0")) {
                                return listenHost();
                            }
                            try {
                                return InetAddress.getLocalHost().getHostAddress();
                            } catch (UnknownHostException e) {
                                throw new StartupProblem(
                                        "reelfleet.worker.advertise is not set and this machine's address is unknown: write the host or IP that others reach this worker by",
                                        e);
                            }
                        });
    }

    String modelUri() {
        return text("reelfleet.model.uri")
                .orElseThrow(
                        () ->
                                new StartupProblem(
                                        "reelfleet.model.uri is not set: write builtin:shapes or file:/dir"));
    }

    Optional<String> modelRevision() {
        return text("reelfleet.model.revision");
    }

    /** Where models that come out of the program or a download are unpacked. */
    Path modelCache() {
        return text("reelfleet.model.cache")
                .map(Path::of)
                .orElseGet(
                        () ->
                                Path.of(
                                        System.getProperty("java.io.tmpdir"),
                                        "reelfleet-models-" + System.getProperty("user.name")));
    }

    int threads() {
        return number("reelfleet.worker.threads", 1);
    }

    Duration latencyTarget() {
        return duration("reelfleet.worker.latency-target", Duration.ofMillis(750));
    }

    Duration idleTimeout() {
        return duration("reelfleet.worker.idle-timeout", Duration.ofSeconds(30));
    }

    Duration viewerTimeout() {
        return duration("reelfleet.worker.viewer-timeout", Duration.ofSeconds(10));
    }

    int viewerBuffer() {
        return number("reelfleet.worker.viewer-buffer", 3);
    }

    long deviceMemory() {
        return bytes("reelfleet.worker.device-memory", "4Gi");
    }

    long hostMemory() {
        return bytes("reelfleet.worker.host-memory", "8Gi");
    }

    /** Where suspended states go that host memory has no room for; nowhere unless it is set. */
    Optional<Path> spillFolder() {
        return text("reelfleet.worker.spill-dir").map(Path::of);
    }

    /** What computes: cpu unless it is set. */
    Device.Kind device() {
        String name = "reelfleet.worker.device";
        return choice(() -> Device.Kind.of(name, text(name).orElse("cpu")));
    }

    /** Of weights, activations and state: fp32 unless it is set. */
    Precision precision() {
        String name = "reelfleet.model.precision";
        return choice(() -> Precision.of(name, text(name).orElse("fp32")));
    }

    /** Whether chunks are decoded beside the steps; unless it is set, a GPU does and a CPU not. */
    boolean decodesBeside() {
        return text("reelfleet.worker.decode-beside")
                .map(Boolean::valueOf)
                .orElse(device() == Device.Kind.CUDA);
    }

    private static <T> T choice(Supplier<T> parse) {
        try {
            return parse.get();
        } catch (IllegalArgumentException e) {
            throw new StartupProblem(e.getMessage(), e);
        }
    }

    /** How many sessions a step takes together; 0: as many as gain on this machine. */
    int batch() {
        return number("reelfleet.worker.batch", 0, 0);
    }

    /** What the pool sets otherwise than the model folder does. */
    GenerationOverrides overrides() {
        return new GenerationOverrides(
                override("reelfleet.model.width"),
                override("reelfleet.model.height"),
                override("reelfleet.model.fps"),
                override("reelfleet.model.steps"),
                override("reelfleet.model.window-frames"),
                override("reelfleet.model.sink-frames"),
                null,
                override("reelfleet.model.frames-per-chunk"),
                override("reelfleet.model.retrieved-frames"),
                override("reelfleet.model.bank-frames"));
    }

    private Integer override(String name) {
        return text(name).isEmpty() ? null : Integer.valueOf(number(name, 0, 0));
    }

    /** From SIGTERM until somebody kills this process; zero: SIGTERM ends it at once. */
    Duration grace() {
        return duration("reelfleet.worker.grace", Duration.ZERO);
    }

    /** How long chunks of an ended session stay; for ever unless it is set. */
    Optional<Duration> retention() {
        return text("reelfleet.retention.after-finished")
                .map(text -> duration("reelfleet.retention.after-finished", Duration.ofHours(24)));
    }

    /** How often one of a pool's workers looks for what may go. */
    Duration retentionEvery() {
        return duration("reelfleet.retention.every", Duration.ofMinutes(10));
    }

    /** Newest chunks of a live session that are kept; 0: all of them. */
    int liveChunks() {
        return number("reelfleet.retention.live-chunks", 0, 0);
    }

    /** Beginnings of addresses that pictures for controls may be fetched from. */
    Images images() {
        return new Images(
                text("reelfleet.images.from").stream()
                        .flatMap(text -> Stream.of(text.split(",")))
                        .map(String::strip)
                        .filter(each -> !each.isEmpty())
                        .map(WorkerSettings::imagesFrom)
                        .toList());
    }

    private static String imagesFrom(String text) {
        if (!text.matches("(https://[^/]+|file:)/.*") || !text.endsWith("/")) {
            throw new StartupProblem(
                    "reelfleet.images.from has '%s': write beginnings of addresses such as https://pictures.example.org/ or file:/srv/pictures/, each with a slash at its end"
                            .formatted(text));
        }
        return text;
    }

    Optional<Path> endpointFile() {
        return text("reelfleet.endpoint-file").map(Path::of);
    }

    Optional<Long> parentPid() {
        return text("reelfleet.parent-pid").map(Long::valueOf);
    }

    Optional<Path> tlsDir() {
        return text("reelfleet.tls.dir").map(Path::of);
    }

    boolean insecure() {
        return text("reelfleet.insecure").map(Boolean::valueOf).orElse(false);
    }

    private long bytes(String name, String otherwise) {
        return ByteSize.parse(name, text(name).orElse(otherwise));
    }

    private int number(String name, int otherwise) {
        return number(name, otherwise, 1);
    }

    private int number(String name, int otherwise, int least) {
        Optional<String> text = text(name);
        try {
            int value = text.map(Integer::parseInt).orElse(otherwise);
            if (value < least) {
                throw new StartupProblem(
                        "%s is %d: write %d or more".formatted(name, value, least));
            }
            return value;
        } catch (NumberFormatException e) {
            throw new StartupProblem(
                    "%s is '%s': write a whole number".formatted(name, text.orElse("")), e);
        }
    }

    private Duration duration(String name, Duration otherwise) {
        try {
            return config.getOptionalValue(name, Duration.class).orElse(otherwise);
        } catch (IllegalArgumentException e) {
            throw new StartupProblem(
                    "%s is '%s': write a duration such as 750ms or 30s"
                            .formatted(name, text(name).orElse("")),
                    e);
        }
    }

    /** A setting as it is written; empty when it is blank. */
    Optional<String> text(String name) {
        try {
            return config.getOptionalValue(name, String.class).filter(s -> !s.isBlank());
        } catch (NoSuchElementException e) {
            return Optional.empty();
        }
    }
}
