package io.reelfleet.tests.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.images.BuildImages;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.tests.video.DecodedVideo;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * What a platform team does: install the chart, make a pool and sessions, watch them, lose a
 * worker, take everything away. Each step builds on the one before. See {@link Cluster} for where
 * it runs.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ClusterE2E {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String NAMESPACE = "reelfleet-test";

    /** The test's own service account. */
    private static final String APPLICATION = "app";

    private static final String RELEASE = "reelfleet";
    private static final List<String> SESSIONS =
            List.of("red-circle", "blue-square", "green-triangle");

    private static Cluster cluster;
    private static Program kubectl;

    @BeforeAll
    static void bringUpAClusterWithTheImages() throws IOException {
        cluster = Cluster.open();
        kubectl = cluster.kubectl();
        Path images = Checkout.root().resolve("e2e/tests/target/images");
        List<String> arguments =
                new ArrayList<>(
                        List.of("--root", Checkout.root().toString(), "--out", images.toString()));
        String base = System.getenv("REELFLEET_IMAGE_BASE");
        if (base != null) {
            arguments.addAll(List.of("--base", base));
        }
        assertThat(BuildImages.run(arguments.toArray(String[]::new), System.out, System.err))
                .isZero();
        for (String part : List.of("operator", "worker", "gateway")) {
            cluster.load(images.resolve("reelfleet-" + part + ".tar"));
        }
        kubectl.run("create", "namespace", NAMESPACE);
        // The API server itself refuses any pod, of the chart or of the operator, that is not
        // restricted.
        kubectl.run(
                "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted");
    }

    @AfterAll
    static void takeItDown() {
        if (cluster != null) {
            try {
                kubectl.attempt("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=120s");
            } finally {
                cluster.close();
            }
        }
    }

    @Test
    @Order(1)
    void helmInstallsAnOperatorAndAGatewayThatBecomeReady() {
        install();
        assertThat(get("pods", "").findValuesAsText("phase")).containsExactly("Running", "Running");
    }

    @Test
    @Order(2)
    void aPoolOfTwoWorkersRunsThreeSessions() {
        if (cluster.own()) {
            // All workers on the other node, to be drained later.
            kubectl.run("cordon", "node1");
        }
        apply();
        await(
                "three sessions to run",
                Duration.ofMinutes(3),
                () -> phases().equals(List.of("Running", "Running", "Running")));
        assertThat(kubectl.run("-n", NAMESPACE, "get", "vsession"))
                .contains(SESSIONS)
                .contains("Running");
        await(
                "the pool to show its two workers",
                Duration.ofMinutes(1),
                () -> get("gpool", "shapes").at("/status/workers/ready").asInt() == 2);
        assertThat(workersOfSessions().values().stream().distinct())
                .as("both workers are used")
                .hasSize(2);
    }

    @Test
    @Order(3)
    void eachSessionsHlsDecodesAndIsAsLongAsItSays() throws Exception {
        for (String session : SESSIONS) {
            Hls hls = watch(session, 6);
            assertThat(hls.video().frames()).as(session).isEqualTo(9 + 12 * (hls.chunks() - 1));
            assertThat(hls.video().seconds()).as(session).isCloseTo(hls.seconds(), within(0.05));
        }
    }

    @Test
    @Order(4)
    void nobodySeesAByteWithoutAToken() throws Exception {
        try (PortForward gateway = new PortForward(kubectl, NAMESPACE, RELEASE + "-gateway", 80)) {
            HttpResponse<byte[]> answer =
                    request(gateway, "/s/" + uid(SESSIONS.get(0)) + "/index.m3u8", null);
            assertThat(answer.statusCode()).isEqualTo(401);
        }
    }

    @Test
    @Order(5)
    void sessionsOfADeletedWorkerComeBackOnAnotherAndMissNoChunk() throws Exception {
        Map<String, String> before = workersOfSessions();
        String session = SESSIONS.get(0);
        String worker = before.get(session);
        int chunks = watch(session, 1).chunks();
        kubectl.run("-n", NAMESPACE, "delete", "pod", worker, "--wait=false");
        await(
                "the sessions of " + worker + " to run on another worker",
                Duration.ofMinutes(3),
                () ->
                        !workersOfSessions().containsValue(worker)
                                && !workersOfSessions().containsValue("")
                                && phases().equals(List.of("Running", "Running", "Running")));
        Hls hls = watch(session, chunks + 3);
        assertThat(hls.video().frames()).isEqualTo(9 + 12 * (hls.chunks() - 1));
        await(
                "the session's status to show its new owner",
                Duration.ofMinutes(1),
                () -> get("vsession", session).at("/status/epoch").asLong() > 1);
        await(
                "a second worker in its place",
                Duration.ofMinutes(2),
                () -> get("gpool", "shapes").at("/status/workers/ready").asInt() == 2);
    }

    @Test
    @Order(6)
    void anEvictionIsHeldOffUntilTheWorkerIsEmpty() throws Exception {
        String worker = workersOfSessions().get(SESSIONS.get(0));
        Path eviction = Files.createTempFile("reelfleet", ".json");
        Files.writeString(
                eviction,
                """
                {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "%s", "namespace": "%s"}}
                """
                        .formatted(worker, NAMESPACE));
        String path = "/api/v1/namespaces/" + NAMESPACE + "/pods/" + worker + "/eviction";
        Supplier<Program.Result> evict =
                () -> kubectl.attempt("create", "--raw", path, "-f", eviction.toString());
        assertThat(evict.get().output())
                .contains("worker " + worker + " has sessions; they are being moved");
        await(
                "the eviction to pass, or to have nothing left to do",
                Duration.ofMinutes(2),
                () -> {
                    Program.Result result = evict.get();
                    return result.code() == 0 || result.output().contains("not found");
                });
        Files.delete(eviction);
        assertThat(workersOfSessions()).doesNotContainValue(worker);
        assertThat(happened("Eviction")).anyMatch(m -> m.contains(worker));
        assertThat(happened("WorkerLost")).noneMatch(m -> m.contains(worker));
        await(
                "two workers again",
                Duration.ofMinutes(2),
                () -> get("gpool", "shapes").at("/status/workers/ready").asInt() == 2);
    }

    @Test
    @Order(7)
    void drainingTheNodeOfAllWorkersWhileFourSessionsStreamLosesNoChunk() throws Exception {
        assumeOwnNodes();
        applySession("red-square", 3);
        await(
                "four sessions to run",
                Duration.ofMinutes(2),
                () -> phases().equals(List.of("Running", "Running", "Running", "Running")));
        kubectl.run("uncordon", "node1");
        assertThat(nodesOfWorkers()).containsOnly("node2");
        Map<String, String> before = workersOfSessions();
        List<String> sessions = List.copyOf(before.keySet());
        try (Viewers viewers = new Viewers(sessions)) {
            long began = System.nanoTime();
            Program.Result drained =
                    kubectl.attempt(
                            "drain",
                            "node2",
                            "--ignore-daemonsets",
                            "--delete-emptydir-data",
                            "--timeout=240s");
            System.out.printf(
                    "kubectl drain of two workers with four sessions: rc %d, %.1f s%n%s",
                    drained.code(), (System.nanoTime() - began) / 1e9, drained.output());
            assertThat(drained.code()).as(() -> drained.output() + state()).isZero();
            assertThat(nodesOfWorkers()).isNotEmpty().containsOnly("node1");
            viewers.seeMoreOf(sessions, 3);
            System.out.println("longest wait of a viewer: " + viewers.longestWait());
            assertThat(viewers.longestWait()).isLessThan(Duration.ofSeconds(10));
        }
        assertMovedLive(sessions, before);
        kubectl.run("uncordon", "node2");
    }

    @Test
    @Order(8)
    void aRollingUpgradeOfThePoolsImageLosesNoChunkEither() throws Exception {
        assumeOwnNodes();
        Path images = Checkout.root().resolve("e2e/tests/target/images");
        String next = ImageArchive.again(images.resolve("reelfleet-worker.tar"), images);
        cluster.load(images.resolve("again.tar"));
        Files.delete(images.resolve("again.tar"));
        Map<String, String> before = workersOfSessions();
        List<String> sessions = List.copyOf(before.keySet());
        try (Viewers viewers = new Viewers(sessions)) {
            long began = System.nanoTime();
            kubectl.run(
                    "-n",
                    NAMESPACE,
                    "patch",
                    "gpool",
                    "shapes",
                    "--type=merge",
                    "-p",
                    "{\"spec\":{\"runtime\":{\"image\":\"" + next + "\"}}}");
            await(
                    "both workers to be of the new image",
                    Duration.ofMinutes(3),
                    () -> imagesOfWorkers().equals(List.of(next, next)));
            System.out.printf(
                    "rolling upgrade of two workers with four sessions: %.1f s%n",
                    (System.nanoTime() - began) / 1e9);
            viewers.seeMoreOf(sessions, 3);
            System.out.println("longest wait of a viewer: " + viewers.longestWait());
            assertThat(viewers.longestWait()).isLessThan(Duration.ofSeconds(10));
        }
        assertMovedLive(sessions, before);
    }

    private static void assumeOwnNodes() {
        String how =
                "skipped: draining a node and rolling an image are tried on a cluster of the test's own only";
        if (!cluster.own()) {
            System.err.println(how);
        }
        assumeTrue(cluster.own(), how);
    }

    /**
     * Each log is gapless, and whoever took a session over got it live from a worker that lived.
     */
    private static void assertMovedLive(List<String> sessions, Map<String, String> before)
            throws Exception {
        try (ChunkStore store = ChunkStores.open(cluster.store())) {
            for (String session : sessions) {
                List<LogEntry> log = SessionLogReader.fromStart(store, uid(session)).pollAll();
                long next = 0;
                for (LogEntry entry : log) {
                    if (entry.hasChunk()) {
                        assertThat(entry.getChunk().getChunk()).as(session).isEqualTo(next++);
                    } else if (entry.hasOwner()) {
                        assertThat(entry.getOwner().getNextChunk()).as(session).isEqualTo(next);
                    }
                }
                assertThat(workersOfSessions().get(session)).isNotEqualTo(before.get(session));
            }
        }
        for (String worker : new TreeSet<>(before.values())) {
            assertThat(happened("Emptied"))
                    .anySatisfy(
                            message ->
                                    assertThat(message)
                                            .matches(
                                                    "worker "
                                                            + worker
                                                            + " is empty: sessions moved live:"
                                                            + " [1-9], left for their logs: 0"));
            assertThat(happened("WorkerLost")).noneMatch(m -> m.contains(worker));
        }
    }

    /** Messages of the pool's events of one kind. */
    private static List<String> happened(String reason) {
        List<String> messages = new ArrayList<>();
        get("events", "")
                .path("items")
                .forEach(
                        e -> {
                            if (e.path("reason").asText().equals(reason)) {
                                messages.add(e.path("message").asText());
                            }
                        });
        return messages;
    }

    private static List<String> nodesOfWorkers() {
        return ofWorkers("/spec/nodeName");
    }

    private static List<String> imagesOfWorkers() {
        return ofWorkers("/spec/containers/0/image");
    }

    private static List<String> ofWorkers(String pointer) {
        List<String> found = new ArrayList<>();
        get("pods", "")
                .path("items")
                .forEach(
                        p -> {
                            if (p.at("/metadata/labels/app.kubernetes.io~1component")
                                    .asText()
                                    .equals("worker")) {
                                found.add(p.at(pointer).asText());
                            }
                        });
        return found;
    }

    /** Players that follow sessions while something happens to them. */
    private static final class Viewers implements AutoCloseable {
        private final PortForward gateway;
        private final Map<String, List<Long>> seen = new ConcurrentHashMap<>();
        private final Map<String, String> tokens = new HashMap<>();
        private final List<Thread> threads = new ArrayList<>();
        private volatile boolean ended;
        private volatile AssertionError problem;

        Viewers(List<String> sessions) throws Exception {
            Map<String, String> uids = new HashMap<>();
            for (String session : sessions) {
                uids.put(session, uid(session));
                tokens.put(session, token(uids.get(session)));
                seen.put(session, Collections.synchronizedList(new ArrayList<>()));
            }
            gateway = new PortForward(kubectl, NAMESPACE, RELEASE + "-gateway", 80);
            for (String session : sessions) {
                threads.add(Thread.ofVirtual().start(() -> follow(session, uids.get(session))));
            }
            seeMoreOf(sessions, 2);
        }

        /** Takes one chunk after the other, as soon as it is there. */
        private void follow(String session, String uid) {
            long next = -1;
            try {
                while (!ended) {
                    String from = next < 0 ? "" : "&_HLS_msn=" + next;
                    HttpResponse<byte[]> answer =
                            request(
                                    gateway,
                                    "/s/" + uid + "/index.m3u8?from=0" + from,
                                    tokens.get(session));
                    assertThat(answer.statusCode()).as(session).isEqualTo(200);
                    List<String> there =
                            segments(new String(answer.body(), StandardCharsets.UTF_8));
                    next = next < 0 ? there.size() : next;
                    for (; next < there.size(); next++) {
                        assertThat(there.get((int) next)).isEqualTo(next + ".m4s");
                        bytes(gateway, uid, next + ".m4s", tokens.get(session));
                        seen.get(session).add(System.nanoTime());
                    }
                }
            } catch (AssertionError e) {
                problem = e;
            }
        }

        void seeMoreOf(List<String> sessions, int chunks) {
            Map<String, Integer> had = new HashMap<>();
            sessions.forEach(s -> had.put(s, seen.get(s).size()));
            await(
                    chunks + " more chunks of each session",
                    Duration.ofMinutes(1),
                    () -> {
                        if (problem != null) {
                            throw problem;
                        }
                        return sessions.stream()
                                .allMatch(s -> seen.get(s).size() >= had.get(s) + chunks);
                    });
        }

        /** Between two chunks of one session. */
        Duration longestWait() {
            long longest = 0;
            for (List<Long> times : seen.values()) {
                for (int i = 1; i < times.size(); i++) {
                    longest = Math.max(longest, times.get(i) - times.get(i - 1));
                }
            }
            return Duration.ofNanos(longest);
        }

        @Override
        public void close() throws IOException {
            ended = true;
            try {
                for (Thread t : threads) {
                    t.join();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            gateway.close();
        }
    }

    @Test
    @Order(9)
    void deletingEverythingLeavesNoWorkerAndNothingTerminating() {
        kubectl.run("-n", NAMESPACE, "delete", "vsession", "--all", "--timeout=60s");
        kubectl.run("-n", NAMESPACE, "delete", "gpool", "--all", "--timeout=60s");
        await("the workers to go", Duration.ofMinutes(2), () -> workerPods().isEmpty());
    }

    @Test
    @Order(10)
    void uninstallingWithLiveSessionsLeavesNothingButTheDefinitions() {
        apply();
        await(
                "three sessions to run again",
                Duration.ofMinutes(3),
                () -> phases().equals(List.of("Running", "Running", "Running")));
        uninstall();
        assertThat(remains()).isEmpty();
        assertThat(kubectl.run("get", "crds", "-o", "name"))
                .contains("gpupools.reelfleet.io", "videosessions.reelfleet.io");
        // People's sessions are theirs; without an operator they go at once when they say so.
        assertThat(get("vsession", "").findValuesAsText("finalizers")).isEmpty();
        kubectl.run("-n", NAMESPACE, "delete", "vsession,gpool", "--all", "--timeout=20s");
    }

    @Test
    @Order(11)
    void theDemoRunsTwoSessionsAndDefinitionsGoWhenTheyAreNotToBeKept() throws Exception {
        install("crds.keep=false", "demo=true", "gateway.replicas=2");
        await(
                "the demo's two sessions to run",
                Duration.ofMinutes(4),
                () -> phases().equals(List.of("Running", "Running")));
        for (String session : List.of("demo-1", "demo-2")) {
            Hls hls = watch(session, 2);
            assertThat(hls.video().frames()).as(session).isEqualTo(9 + 12 * (hls.chunks() - 1));
        }
        uninstall();
        assertThat(remains()).isEmpty();
        assertThat(kubectl.run("get", "crds", "-o", "name")).doesNotContain("reelfleet.io");
    }

    private static void install(String... more) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "install",
                                RELEASE,
                                Checkout.root().resolve("helm/reelfleet").toString(),
                                "--namespace",
                                NAMESPACE,
                                "--wait",
                                "--timeout",
                                "4m"));
        List<String> values =
                new ArrayList<>(
                        List.of(
                                "watchNamespaces={" + NAMESPACE + "}",
                                "operator.replicas=1",
                                "operator.resources.requests.memory=256Mi",
                                "gateway.resources.requests.memory=128Mi"));
        values.addAll(cluster.values());
        if (cluster.own()) {
            // So that a node can be drained without the viewers' tunnel being cut.
            values.add("operator.nodeSelector.kubernetes\\.io/hostname=node1");
            values.add("gateway.nodeSelector.kubernetes\\.io/hostname=node1");
        }
        values.addAll(List.of(more));
        for (String value : values) {
            arguments.add("--set");
            arguments.add(value);
        }
        Program.Result result = cluster.helm().attempt(arguments.toArray(String[]::new));
        assertThat(result.code()).as(() -> result.output() + state()).isZero();
    }

    private static void uninstall() {
        Program.Result result =
                cluster.helm()
                        .attempt(
                                "uninstall",
                                RELEASE,
                                "--namespace",
                                NAMESPACE,
                                "--wait",
                                "--timeout",
                                "4m");
        assertThat(result.code()).as(() -> result.output() + state()).isZero();
    }

    private static void apply() {
        apply(
                """
                        apiVersion: reelfleet.io/v1alpha1
                        kind: GPUPool
                        metadata: {name: shapes}
                        spec:
                          model: {name: shapes, uri: "builtin:shapes"}
                          runtime:
                            device: Cpu
                            resources: {requests: {cpu: 100m, memory: 512Mi}, limits: {memory: 3Gi}}
                          scaling: {minGpus: 2, maxGpus: 2}
                        """);
        await(
                "two workers to be ready",
                Duration.ofMinutes(4),
                () -> get("gpool", "shapes").at("/status/workers/ready").asInt() == 2);
        for (String session : SESSIONS) {
            applySession(session, SESSIONS.indexOf(session));
        }
    }

    private static void applySession(String name, int seed) {
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: VideoSession
                metadata: {name: %s}
                spec:
                  poolRef: {name: shapes}
                  prompt: a %s moving right on a white background
                  seed: %d
                """
                        .formatted(name, name.replace('-', ' '), seed));
    }

    private static void apply(String documents) {
        try {
            Path file = Files.createTempFile("reelfleet", ".yaml");
            Files.writeString(file, documents);
            kubectl.run("-n", NAMESPACE, "apply", "-f", file.toString());
            Files.delete(file);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** Objects of ours that are still there, the definitions left out. */
    private static List<String> remains() {
        List<String> found = new ArrayList<>();
        for (String kind :
                List.of(
                        "pods",
                        "deployments",
                        "replicasets",
                        "jobs",
                        "services",
                        "secrets",
                        "configmaps",
                        "serviceaccounts",
                        "roles",
                        "rolebindings",
                        "poddisruptionbudgets",
                        "networkpolicies",
                        "leases",
                        "persistentvolumeclaims")) {
            for (String name :
                    kubectl.run("-n", NAMESPACE, "get", kind, "-o", "name").lines().toList()) {
                boolean own =
                        name.endsWith("/default")
                                || name.endsWith("/kube-root-ca.crt")
                                || name.startsWith("No resources");
                if (!own && !name.endsWith("/" + APPLICATION)) {
                    found.add(name);
                }
            }
        }
        for (String kind :
                List.of(
                        "clusterroles",
                        "clusterrolebindings",
                        "validatingwebhookconfigurations",
                        "persistentvolumes")) {
            kubectl.run("get", kind, "-o", "name")
                    .lines()
                    .filter(n -> n.contains(RELEASE))
                    .forEach(found::add);
        }
        return found;
    }

    private static List<String> workerPods() {
        return kubectl.run(
                        "-n",
                        NAMESPACE,
                        "get",
                        "pods",
                        "-l",
                        "app.kubernetes.io/component=worker",
                        "-o",
                        "name")
                .lines()
                .filter(l -> l.startsWith("pod/"))
                .toList();
    }

    private static List<String> phases() {
        List<String> phases = new ArrayList<>();
        get("vsession", "").path("items").forEach(s -> phases.add(s.at("/status/phase").asText()));
        return phases;
    }

    private static Map<String, String> workersOfSessions() {
        Map<String, String> workers = new HashMap<>();
        get("vsession", "")
                .path("items")
                .forEach(
                        s ->
                                workers.put(
                                        s.at("/metadata/name").asText(),
                                        s.at("/status/worker").asText("")));
        return workers;
    }

    private static String uid(String session) {
        return get("vsession", session).at("/metadata/uid").asText();
    }

    private static JsonNode get(String kind, String name) {
        List<String> arguments = new ArrayList<>(List.of("-n", NAMESPACE, "get", kind));
        if (!name.isEmpty()) {
            arguments.add(name);
        }
        arguments.addAll(List.of("-o", "json"));
        try {
            return JSON.readTree(kubectl.run(arguments.toArray(String[]::new)));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /**
     * What a player gets of a session: the number of chunks, the playlist's seconds, and what a
     * decoder makes of it.
     */
    private record Hls(int chunks, double seconds, DecodedVideo video) {}

    private static final Pattern LENGTH = Pattern.compile("#EXTINF:([0-9.]+),");
    private static final Pattern MAP = Pattern.compile("#EXT-X-MAP:URI=\"([^\"]+)\"");

    /** Fetches a session from its first chunk on, once it has that many. */
    private static Hls watch(String session, int chunks) throws Exception {
        String uid = uid(session);
        String token = token(uid);
        try (PortForward gateway = new PortForward(kubectl, NAMESPACE, RELEASE + "-gateway", 80)) {
            String[] playlist = new String[1];
            await(
                    session + " to have " + chunks + " chunks",
                    Duration.ofMinutes(2),
                    () -> {
                        HttpResponse<byte[]> answer =
                                request(gateway, "/s/" + uid + "/index.m3u8?from=0", token);
                        playlist[0] = new String(answer.body(), StandardCharsets.UTF_8);
                        return answer.statusCode() == 200 && segments(playlist[0]).size() >= chunks;
                    });
            Path file = Files.createTempFile("reelfleet", ".mp4");
            try (OutputStream out = Files.newOutputStream(file)) {
                Matcher map = MAP.matcher(playlist[0]);
                assertThat(map.find()).as(playlist[0]).isTrue();
                out.write(bytes(gateway, uid, map.group(1), token));
                int k = 0;
                for (String segment : segments(playlist[0])) {
                    assertThat(segment).as("chunks without a gap").isEqualTo(k++ + ".m4s");
                    out.write(bytes(gateway, uid, segment, token));
                }
                out.flush();
                double seconds =
                        LENGTH.matcher(playlist[0])
                                .results()
                                .mapToDouble(r -> Double.parseDouble(r.group(1)))
                                .sum();
                return new Hls(k, seconds, DecodedVideo.of(file));
            } finally {
                Files.delete(file);
            }
        }
    }

    private static List<String> segments(String playlist) {
        return playlist.lines().filter(l -> l.endsWith(".m4s")).toList();
    }

    private static byte[] bytes(PortForward gateway, String uid, String path, String token) {
        HttpResponse<byte[]> answer = request(gateway, "/s/" + uid + "/" + path, token);
        assertThat(answer.statusCode()).as(path).isEqualTo(200);
        return answer.body();
    }

    private static HttpResponse<byte[]> request(PortForward gateway, String path, String token) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + gateway.port() + path))
                        .timeout(Duration.ofSeconds(30));
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /**
     * A viewer's token, asked for as the service account of an application would that may edit
     * sessions.
     */
    private static String token(String uid) throws Exception {
        if (kubectl.attempt("-n", NAMESPACE, "get", "serviceaccount", APPLICATION).code() != 0) {
            kubectl.run("-n", NAMESPACE, "create", "serviceaccount", APPLICATION);
            kubectl.run(
                    "-n",
                    NAMESPACE,
                    "create",
                    "rolebinding",
                    "app",
                    "--clusterrole=edit",
                    "--serviceaccount=" + NAMESPACE + ":app");
        }
        String bearer = kubectl.run("-n", NAMESPACE, "create", "token", APPLICATION).strip();
        try (PortForward operator =
                        new PortForward(kubectl, NAMESPACE, RELEASE + "-operator", 8080);
                HttpClient client = HttpClient.newBuilder().sslContext(anyCertificate()).build()) {
            HttpResponse<String> answer =
                    client.send(
                            HttpRequest.newBuilder(
                                            URI.create(
                                                    "https://127.0.0.1:"
                                                            + operator.port()
                                                            + "/v1/sessions/"
                                                            + uid
                                                            + "/token"))
                                    .header("Authorization", "Bearer " + bearer)
                                    .header("Content-Type", "application/json")
                                    .timeout(Duration.ofSeconds(30))
                                    .POST(HttpRequest.BodyPublishers.ofString("{}"))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            return JSON.readTree(answer.body()).get("token").asText();
        }
    }

    /** kubectl's tunnel is trusted here; the parts among themselves check certificates. */
    private static SSLContext anyCertificate() throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new TrustsAll()}, null);
        return context;
    }

    private static final class TrustsAll extends X509ExtendedTrustManager {
        @Override
        public void checkClientTrusted(
                X509Certificate[] chain, String type, java.net.Socket socket) {}

        @Override
        public void checkServerTrusted(
                X509Certificate[] chain, String type, java.net.Socket socket) {}

        @Override
        public void checkClientTrusted(
                X509Certificate[] chain, String type, javax.net.ssl.SSLEngine engine) {}

        @Override
        public void checkServerTrusted(
                X509Certificate[] chain, String type, javax.net.ssl.SSLEngine engine) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }

    private static void await(String what, Duration patience, Supplier<Boolean> condition) {
        long end = System.nanoTime() + patience.toNanos();
        while (!condition.get()) {
            if (System.nanoTime() > end) {
                throw new AssertionError(
                        "waited " + patience.toSeconds() + " s for " + what + "\n" + state());
            }
            try {
                Thread.sleep(500);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError(e);
            }
        }
    }

    /** What a person would look at when a step fails. */
    private static String state() {
        StringBuilder text = new StringBuilder();
        text.append(
                kubectl.attempt("-n", NAMESPACE, "get", "gpool,vsession,pods", "-o", "wide")
                        .output());
        text.append(
                kubectl.attempt("-n", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp")
                        .output());
        kubectl.attempt("-n", NAMESPACE, "get", "pods", "-o", "name")
                .output()
                .lines()
                .sorted(Comparator.naturalOrder())
                .filter(p -> p.startsWith("pod/"))
                .forEach(
                        p ->
                                text.append("--- ")
                                        .append(p)
                                        .append('\n')
                                        .append(
                                                kubectl.attempt(
                                                                "-n",
                                                                NAMESPACE,
                                                                "logs",
                                                                p,
                                                                "--tail=60")
                                                        .output()));
        return text.toString();
    }
}
