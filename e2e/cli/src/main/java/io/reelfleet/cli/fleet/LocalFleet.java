package io.reelfleet.cli.fleet;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.trust.CertificateAuthority;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.TlsFolder;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Operator, gateway and the workers that the operator starts, as processes of this machine. */
public final class LocalFleet implements AutoCloseable {
    private static final Duration START_LIMIT = Duration.ofSeconds(90);

    /** A fleet on a laptop is not renewed while it runs. */
    private static final Duration VALIDITY = Duration.ofDays(30);

    private final FleetFolder folder;
    private final List<Part> parts = new ArrayList<>();
    private final List<Part> kube = new ArrayList<>();
    private final String operatorUrl;
    private final String gatewayUrl;
    private Optional<Path> kubeconfig = Optional.empty();
    private final Map<Piece, Start> starts = new java.util.EnumMap<>(Piece.class);

    /** A part that this program starts itself. */
    public enum Piece {
        OPERATOR,
        GATEWAY
    }

    private interface Start {
        Part run() throws IOException;
    }

    /**
     * What a fleet gets beside its usual settings.
     *
     * @param operator settings of the operator; they win
     * @param environment variables of all parts
     */
    public record Extras(Map<String, String> operator, Map<String, String> environment) {
        /** Nothing. */
        public static final Extras NONE = new Extras(Map.of(), Map.of());
    }

    /**
     * How to start one.
     *
     * @param folder where it lives; a chunk store that is there is used on
     * @param checkout its programs
     * @param pool the pool's document
     * @param operatorPort allocator and dashboard; 0 takes a free one
     * @param gatewayPort the page; 0 takes a free one
     * @param scaleDownDelay how long the load must have been lower before workers go
     * @param endWithThisProcess all parts end when this process is gone
     * @param kube programs of an API server to start, which the operator then serves; empty for
     *     none
     */
    public record Settings(
            FleetFolder folder,
            Checkout checkout,
            PoolDocument pool,
            int operatorPort,
            int gatewayPort,
            Duration scaleDownDelay,
            boolean endWithThisProcess,
            Optional<KubePrograms> kube) {}

    private LocalFleet(FleetFolder folder, String operatorUrl, String gatewayUrl) {
        this.folder = folder;
        this.operatorUrl = operatorUrl;
        this.gatewayUrl = gatewayUrl;
    }

    /** Starts the parts and waits until they listen; when one fails, all are ended. */
    public static LocalFleet start(Settings settings) throws InterruptedException {
        return start(settings, Extras.NONE);
    }

    /** As {@link #start(Settings)}, with settings beside the usual ones. */
    public static LocalFleet start(Settings settings, Extras extras) throws InterruptedException {
        FleetFolder folder = settings.folder().create();
        int operatorPort = Ports.claim(settings.operatorPort(), "--api-port");
        int gatewayPort = Ports.claim(settings.gatewayPort(), "--port");
        LocalFleet fleet =
                new LocalFleet(
                        folder,
                        "https://127.0.0.1:" + operatorPort,
                        "http://127.0.0.1:" + gatewayPort);
        try {
            fleet.startParts(settings, extras, operatorPort, gatewayPort);
            return fleet;
        } catch (IOException e) {
            fleet.close();
            throw new Failure(
                    "the fleet could not be started in " + folder.path() + ": " + e.getMessage(),
                    e);
        } catch (RuntimeException | InterruptedException e) {
            fleet.close();
            throw e;
        }
    }

    private void startParts(Settings settings, Extras extras, int operatorPort, int gatewayPort)
            throws IOException, InterruptedException {
        Files.writeString(folder.pools(), settings.pool().yaml());
        FleetFolder.writePrivately(folder.apiToken(), ViewerKeys.randomToken() + "\n");
        ViewerKeys keys = ViewerKeys.create(folder.path());
        writeCertificates();

        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("JAVA_HOME", System.getProperty("java.home"));
        environment.put("OMP_NUM_THREADS", "1");
        environment.put("OMP_WAIT_POLICY", "passive");
        environment.put("MALLOC_ARENA_MAX", "2");
        if (settings.endWithThisProcess()) {
            environment.put("REELFLEET_PARENT_PID", Long.toString(ProcessHandle.current().pid()));
        }

        environment.putAll(extras.environment());

        Map<String, String> operator = common();
        operator.put("reelfleet.tls.dir", folder.tls().resolve("operator").toString());
        operator.put("reelfleet.trust.authority-dir", folder.tls().resolve("authority").toString());
        operator.put("quarkus.http.port", Integer.toString(operatorPort));
        operator.put("reelfleet.kubernetes", Boolean.toString(settings.kube().isPresent()));
        operator.put("reelfleet.pools-file", folder.pools().toString());
        operator.put("reelfleet.workers", "processes");
        operator.put("reelfleet.processes.dir", folder.processes().toString());
        operator.put("reelfleet.processes.java", Part.java().toString());
        operator.put("reelfleet.processes.server-jar", settings.checkout().worker().toString());
        operator.put(
                "reelfleet.processes.java-options",
                "-Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --enable-native-access=ALL-UNNAMED"
                        + " --sun-misc-unsafe-memory-access=allow");
        operator.put(
                "reelfleet.processes.stop-on-exit",
                Boolean.toString(settings.endWithThisProcess()));
        operator.put("reelfleet.scale-down-delay", settings.scaleDownDelay().toSeconds() + "s");
        operator.put("reelfleet.gateway.url", gatewayUrl);
        operator.put("reelfleet.tokens.key-file", keys.privateKey().toString());
        operator.put("reelfleet.api.token-file", folder.apiToken().toString());
        operator.putAll(extras.operator());
        Map<String, String> operatorEnvironment = new LinkedHashMap<>(environment);
        if (settings.kube().isPresent()) {
            ApiServer server = ApiServer.start(settings.kube().get(), folder, kube);
            kubeconfig =
                    Optional.of(server.install(settings.checkout().definitions(), folder.pools()));
            operatorEnvironment.put("KUBECONFIG", kubeconfig.orElseThrow().toString());
        }
        starts.put(
                Piece.OPERATOR,
                () ->
                        Part.start(
                                "operator",
                                settings.checkout().operator(),
                                384,
                                operator,
                                operatorEnvironment,
                                folder));
        parts.add(starts.get(Piece.OPERATOR).run());

        Map<String, String> gateway = common();
        gateway.put("reelfleet.tls.dir", folder.tls().resolve("gateway").toString());
        gateway.put("quarkus.http.port", Integer.toString(gatewayPort));
        gateway.put("reelfleet.tokens.public-key-file", keys.publicKey().toString());
        gateway.put("reelfleet.operator.endpoint", "127.0.0.1:" + operatorPort);
        gateway.put("reelfleet.api.token-file", folder.apiToken().toString());
        starts.put(
                Piece.GATEWAY,
                () ->
                        Part.start(
                                "gateway",
                                settings.checkout().gateway(),
                                256,
                                gateway,
                                environment,
                                folder));
        parts.add(starts.get(Piece.GATEWAY).run());
        remember();
        for (Part part : parts) {
            part.awaitListening(START_LIMIT);
        }
    }

    private void remember() {
        folder.remember(
                new FleetFolder.Running(
                        parts.get(0).pid(),
                        parts.get(1).pid(),
                        pids(),
                        operatorUrl,
                        gatewayUrl,
                        Instant.now().toString()));
    }

    /** The process of a part. */
    public ProcessHandle process(Piece piece) {
        return parts.get(piece.ordinal()).handle();
    }

    /** Starts a part again that has ended, with what it had, and waits until it listens. */
    public void restart(Piece piece) throws InterruptedException {
        try {
            Part again = starts.get(piece).run();
            parts.set(piece.ordinal(), again);
            remember();
            again.awaitListening(START_LIMIT);
        } catch (IOException e) {
            throw new Failure(
                    "the "
                            + piece.name().toLowerCase(java.util.Locale.ROOT)
                            + " could not be started again: "
                            + e.getMessage(),
                    e);
        }
    }

    private Map<String, String> common() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("reelfleet.listen-host", "127.0.0.1");
        settings.put("quarkus.management.port", "0");
        settings.put("reelfleet.store", folder.store().toUri().toString());
        return settings;
    }

    private void writeCertificates() throws IOException {
        CertificateAuthority authority = CertificateAuthority.create(Clock.systemUTC());
        Path folderOfAuthority = folder.tls().resolve("authority");
        Files.createDirectories(folderOfAuthority);
        FleetFolder.writePrivately(folderOfAuthority.resolve("ca.crt"), authority.certificatePem());
        FleetFolder.writePrivately(folderOfAuthority.resolve("ca.key"), authority.privateKeyPem());
        List<String> hosts = List.of("127.0.0.1", "localhost");
        for (PeerIdentity.Role role :
                List.of(PeerIdentity.Role.OPERATOR, PeerIdentity.Role.GATEWAY)) {
            String name = role.name().toLowerCase(java.util.Locale.ROOT);
            TlsFolder.write(
                    folder.tls().resolve(name),
                    authority.issue(new PeerIdentity(role, name, hosts), VALIDITY));
        }
    }

    /** All processes, in the order in which they are ended. */
    private List<Long> pids() {
        return Stream.concat(parts.stream(), kube.stream()).map(Part::pid).toList();
    }

    /** Its folder. */
    public FleetFolder folder() {
        return folder;
    }

    /** For kubectl, when it has an API server. */
    public Optional<Path> kubeconfig() {
        return kubeconfig;
    }

    /** The page and the base of session URLs. */
    public String gatewayUrl() {
        return gatewayUrl;
    }

    /** A client of its allocator. */
    public Allocator allocator() {
        return new Allocator(operatorUrl, folder.readApiToken(), folder.readAuthority());
    }

    /**
     * A link that signs a browser in to the page, good once and for a minute; the page's plain
     * address when the gateway gives none.
     */
    public String pageLink() {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(gatewayUrl + "/login/codes"))
                        .timeout(Duration.ofSeconds(10))
                        .header("Authorization", "Bearer " + folder.readApiToken())
                        .POST(HttpRequest.BodyPublishers.noBody())
                        .build();
        try (HttpClient http =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()) {
            HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
            String path = new ObjectMapper().readTree(answer.body()).path("path").asText("/");
            return gatewayUrl + (answer.statusCode() == 200 ? path : "/");
        } catch (IOException e) {
            return gatewayUrl + "/";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return gatewayUrl + "/";
        }
    }

    /**
     * The last lines of the newest worker's log, for the sentence that says why a fleet is not
     * ready; empty without one.
     */
    public String workersLastWords() {
        try (Stream<Path> logs = Files.list(folder.processes())) {
            return logs.filter(f -> f.toString().endsWith(".log"))
                    .max(Comparator.comparingLong(f -> f.toFile().lastModified()))
                    .map(f -> "\nthe end of " + f + ":\n" + Part.tail(f, 8))
                    .orElse("");
        } catch (IOException e) {
            return "";
        }
    }

    /** A sentence when a part has ended by itself. */
    public void checkAlive() {
        parts.forEach(Part::checkAlive);
        kube.forEach(Part::checkAlive);
    }

    /** Ends all processes, the workers too, and sees that they are gone. */
    @Override
    public void close() {
        endAll(folder, pids());
    }

    /**
     * Ends the fleet of a folder.
     *
     * @param pids in the order in which to end them
     */
    public static void endAll(FleetFolder folder, List<Long> pids) {
        // Ending goes on whoever interrupts it: nothing may be left.
        boolean interrupted = Thread.interrupted();
        List<ProcessHandle> left = null;
        while (left == null) {
            try {
                left = Shutdown.end(folder, pids);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        folder.forget();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (!left.isEmpty()) {
            throw new Failure(
                    "these processes of the fleet did not end: "
                            + left.stream()
                                    .map(h -> Long.toString(h.pid()))
                                    .collect(Collectors.joining(" ")));
        }
    }

    /** Whether a process of a remembered fleet lives. */
    public static boolean lives(FleetFolder folder, FleetFolder.Running running) {
        return running.pids().stream()
                        .anyMatch(pid -> ProcessHandle.of(pid).map(Shutdown::lives).orElse(false))
                || !Shutdown.workers(folder).isEmpty();
    }
}
