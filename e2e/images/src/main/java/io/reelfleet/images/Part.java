package io.reelfleet.images;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What one image holds: a Quarkus application and how it is started. */
enum Part {
    OPERATOR(
            "operator",
            "operator/controller",
            List.of(8080, 9000),
            List.of("-XX:MaxRAMPercentage=60"),
            Map.of()),
    /** Most of its memory is LibTorch's, outside the heap; threads that wait must not spin. */
    WORKER(
            "worker",
            "runtime/server",
            List.of(9090, 9000),
            List.of(
                    "-Xmx768m",
                    "-Dorg.bytedeco.javacpp.pathsFirst=true",
                    "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                    "-Djava.library.path=" + Part.NATIVES),
            Map.of(
                    "LD_LIBRARY_PATH",
                    Part.NATIVES,
                    "OMP_NUM_THREADS",
                    "1",
                    "OMP_WAIT_POLICY",
                    "passive",
                    "DJL_CACHE_DIR",
                    "/tmp/djl")),
    GATEWAY(
            "gateway",
            "runtime/gateway",
            List.of(8081, 9000),
            List.of("-XX:MaxRAMPercentage=60"),
            Map.of());

    /** Folder of the native libraries inside the image. */
    static final String NATIVES = "/app/natives";

    private static final List<String> COMMON =
            List.of(
                    "/opt/java/bin/java",
                    "-XX:+ExitOnOutOfMemoryError",
                    "--enable-native-access=ALL-UNNAMED",
                    "--sun-misc-unsafe-memory-access=allow",
                    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
                    "-Duser.timezone=UTC");

    private final String title;
    private final String module;
    private final List<Integer> ports;
    private final List<String> options;
    private final Map<String, String> environment;

    Part(
            String title,
            String module,
            List<Integer> ports,
            List<String> options,
            Map<String, String> environment) {
        this.title = title;
        this.module = module;
        this.ports = ports;
        this.options = options;
        this.environment = environment;
    }

    String title() {
        return title;
    }

    /** The built application. */
    Path application(Path repository) {
        return repository.resolve(module).resolve("target/quarkus-app");
    }

    List<Integer> ports() {
        return ports;
    }

    Map<String, String> environment() {
        return environment;
    }

    List<String> entrypoint() {
        return java.util.stream.Stream.of(COMMON, options, List.of("-jar", "/app/quarkus-run.jar"))
                .flatMap(List::stream)
                .toList();
    }
}
