package io.reelfleet.operator;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.rbac.RoleBindingBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionStatus;
import io.reelfleet.operator.removal.RemoveFleet;
import io.reelfleet.operator.stub.AuditLog;
import io.reelfleet.operator.stub.ChartRelease;
import io.reelfleet.operator.stub.Permission;
import io.reelfleet.operator.stub.TestCluster;
import io.reelfleet.operator.stub.TestKubelet;
import io.reelfleet.trust.Enrolment;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The chart's programs under the chart's own service accounts, with the chart's settings and its
 * certificates, against a real API server that writes down what they ask for: nothing may be
 * refused, and nothing may be granted that nobody asks for.
 */
final class PermissionsIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final String TEAM = "team";
    private static AuditLog audit;
    private static TestCluster cluster;
    private static KubernetesClient client;

    @TempDir static Path folder;

    private final Map<String, OperatorProcess> operators = new LinkedHashMap<>();
    private ChartRelease release;
    private String namespace;
    private Path home;

    @BeforeAll
    static void startCluster() throws Exception {
        audit = AuditLog.in(folder);
        Map<String, String> flags = new LinkedHashMap<>(audit.flags());
        // As OpenShift has it: owners need more rights than the usual API server asks for.
        flags.put("--enable-admission-plugins", "OwnerReferencesPermissionEnforcement");
        cluster = TestCluster.start(flags);
        client = cluster.client();
        client.resource(
                        new NamespaceBuilder()
                                .withNewMetadata()
                                .withName(TEAM)
                                .endMetadata()
                                .build())
                .create();
        client.resource(
                        new ServiceAccountBuilder()
                                .withNewMetadata()
                                .withName("app")
                                .withNamespace(TEAM)
                                .endMetadata()
                                .build())
                .create();
    }

    @AfterAll
    static void stopCluster() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @ParameterizedTest(name = "watchNamespaces={0}")
    @ValueSource(strings = {"", TEAM})
    void theChartGrantsExactlyWhatItsProgramsAskFor(String watched) throws Exception {
        namespace = watched.isEmpty() ? "everywhere" : "named";
        home = Files.createDirectories(folder.resolve(namespace));
        List<String> values =
                new ArrayList<>(List.of("store.claim=videos", "workers.namespaces={" + TEAM + "}"));
        if (!watched.isEmpty()) {
            values.add("watchNamespaces={" + watched + "}");
        }
        release = ChartRelease.install(client, namespace, values.toArray(String[]::new));
        letTheAppEditSessions();
        try (TestKubelet kubelet = new TestKubelet(client, this::certify)) {
            start("a");
            eventually(SOON, () -> assertThat(log("a")).contains("leads with term 1"));
            start("b");
            live(kubelet);
            OperatorProcess b = operators.get("b");
            // Killing it is LeadershipIT's part.
            operators.get("a").close();
            eventually(SOON, () -> assertThat(b.log()).contains("leads with term 2"));
            client.resource(session("stays")).delete();
            eventually(
                    SOON,
                    () ->
                            assertThat(kubelet.workers().values())
                                    .allMatch(w -> w.sessions().isEmpty()));
            b.close();
            uninstall();
            assertThat(workers()).isEmpty();
            prove();
        } finally {
            operators.values().forEach(OperatorProcess::close);
            client.resources(VideoSession.class).inNamespace(TEAM).delete();
            client.resources(GPUPool.class).inNamespace(TEAM).delete();
            release.uninstall();
        }
    }

    private void prove() throws IOException {
        for (String account : List.of("reelfleet-operator", "reelfleet-removal")) {
            AuditLog.Record record = audit.of(namespace, account);
            assertThat(record.refused()).as("refused to " + account).isEmpty();
            Set<Permission> granted = release.granted(account);
            assertThat(granted).isNotEmpty();
            assertThat(granted)
                    .as("granted to %s; each must have been asked for", account)
                    .allMatch(g -> record.done().stream().anyMatch(g::covers));
        }
        for (String account : List.of("reelfleet-gateway", "reelfleet-worker")) {
            assertThat(release.granted(account)).isEmpty();
            assertThat(audit.of(namespace, account).done()).isEmpty();
        }
    }

    /** All that sessions, pools, callers and parts do. */
    private void live(TestKubelet kubelet) throws Exception {
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: GPUPool
                metadata:
                  name: demo
                  namespace: team
                  labels: {app.kubernetes.io/instance: reelfleet, reelfleet.io/demo: "true"}
                spec:
                  model: {name: stub, uri: "builtin:shapes"}
                  runtime: {device: Cpu}
                  scaling: {minGpus: 1, maxGpus: 3, capacityHint: 1}
                """);
        applySession("stays", "", "");
        applySession("passes", "", "maxChunks: 2\nttlSecondsAfterFinished: 1");
        eventually(
                SOON,
                () ->
                        assertThat(session("stays").getStatus().phase())
                                .as(log("a"))
                                .isEqualTo(VideoSessionStatus.Phase.RUNNING));
        eventually(SOON, () -> assertThat(session("passes")).isNull());
        eventually(SOON, () -> assertThat(workers()).hasSize(1));
        assertThat(client.v1().events().inNamespace(TEAM).list().getItems()).isNotEmpty();

        // By way of the standby.
        OperatorProcess b = operators.get("b");
        String opened =
                b.call(
                                "POST",
                                "/v1/sessions",
                                "application/yaml",
                                """
                                apiVersion: reelfleet.io/v1alpha1
                                kind: VideoSession
                                metadata: {name: called, namespace: team}
                                spec: {poolRef: {name: demo}, prompt: a red circle}
                                """)
                        .body();
        String uid = opened.replaceAll("(?s).*\"uid\": *\"([^\"]+)\".*", "$1");
        assertThat(b.call("DELETE", "/v1/sessions/" + uid, null, null).statusCode())
                .as(opened)
                .isEqualTo(200);
        certify(release.pod("reelfleet-gateway", "reelfleet-gateway-x"));
        eventually(SOON, () -> assertThat(workers()).hasSize(1));
    }

    private void start(String name) throws IOException {
        Path its = Files.createDirectories(home.resolve(name));
        Files.writeString(
                its.resolve("kubeconfig"),
                release.kubeConfig(cluster.kubeConfig(), "reelfleet-operator"));
        Files.writeString(its.resolve("api-token"), ChartRelease.token(client, TEAM, "app"));
        Map<String, String> environment =
                release.environment("reelfleet-operator", "reelfleet-operator-" + name);
        environment.put("KUBECONFIG", its.resolve("kubeconfig").toString());
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("reelfleet.api.token-file", "");
        settings.put("reelfleet.tokens.key-file", "");
        settings.put("reelfleet.listen-host", "127.0.0.1");
        settings.put("reelfleet.tls.dir", its.resolve("tls").toString());
        settings.put("reelfleet.scale-down-delay", "1s");
        operators.put(name, OperatorProcess.start(its, settings, environment).ready());
    }

    private String log(String name) {
        return operators.get(name).log();
    }

    /** As the kubelet and the part in the pod do it together. */
    private ServerCredentials certify(Pod pod) throws IOException, InterruptedException {
        Path its = Files.createDirectories(home.resolve(pod.getMetadata().getName()));
        String authority =
                client.configMaps()
                        .inNamespace(namespace)
                        .withName("reelfleet-authority")
                        .get()
                        .getData()
                        .get("ca.crt");
        Files.writeString(its.resolve("authority.crt"), authority);
        Files.writeString(its.resolve("token"), ChartRelease.projectedToken(client, pod));
        OperatorProcess last = List.copyOf(operators.values()).getLast();
        new Enrolment(
                        its.resolve("tls"),
                        "127.0.0.1:" + last.port(),
                        its.resolve("token"),
                        its.resolve("authority.crt"),
                        System.err::println)
                .enrol();
        return TlsServerCredentials.newBuilder()
                .keyManager(
                        its.resolve("tls/tls.crt").toFile(), its.resolve("tls/tls.key").toFile())
                .trustManager(its.resolve("tls/ca.crt").toFile())
                .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                .build();
    }

    private void letTheAppEditSessions() {
        for (String role : List.of("edit", "view")) {
            client.resource(
                            new RoleBindingBuilder()
                                    .withNewMetadata()
                                    .withName("app-" + role)
                                    .withNamespace(TEAM)
                                    .endMetadata()
                                    .withNewRoleRef()
                                    .withApiGroup("rbac.authorization.k8s.io")
                                    .withKind("ClusterRole")
                                    .withName("reelfleet-" + namespace + "-" + role)
                                    .endRoleRef()
                                    .addNewSubject()
                                    .withKind("ServiceAccount")
                                    .withName("app")
                                    .withNamespace(TEAM)
                                    .endSubject()
                                    .build())
                    .createOr(
                            binding -> {
                                binding.delete();
                                return binding.create();
                            });
        }
    }

    /** The Job before helm uninstall. */
    private void uninstall() throws IOException, InterruptedException {
        applySession(
                "left",
                "labels: {app.kubernetes.io/instance: reelfleet, reelfleet.io/demo: \"true\"}",
                "");
        Files.writeString(
                home.resolve("kubeconfig"),
                release.kubeConfig(cluster.kubeConfig(), "reelfleet-removal"));
        ProcessBuilder removal =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx128m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        RemoveFleet.class.getName());
        removal.environment().putAll(release.jobEnvironment("reelfleet-removal"));
        removal.environment().put("KUBECONFIG", home.resolve("kubeconfig").toString());
        File out = home.resolve("removal.log").toFile();
        Process p = removal.redirectErrorStream(true).redirectOutput(out).start();
        assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(p.exitValue()).as(Files.readString(out.toPath())).isZero();
        assertThat(client.resources(GPUPool.class).inNamespace(TEAM).list().getItems()).isEmpty();
        assertThat(session("left")).isNull();
    }

    private static void apply(String yaml) {
        client.resource(Documents.read(yaml).getFirst()).serverSideApply();
    }

    private static void applySession(String name, String metadata, String spec) {
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: VideoSession
                metadata:
                  name: %s
                  namespace: team
                %s
                spec:
                  poolRef: {name: demo}
                  prompt: a red circle
                %s"""
                        .formatted(name, metadata.indent(2).stripTrailing(), spec.indent(2)));
    }

    private static VideoSession session(String name) {
        return client.resources(VideoSession.class).inNamespace(TEAM).withName(name).get();
    }

    private static Set<String> workers() {
        return client
                .pods()
                .inNamespace(TEAM)
                .withLabel("app.kubernetes.io/component", "worker")
                .list()
                .getItems()
                .stream()
                .map(p -> p.getMetadata().getName())
                .collect(Collectors.toSet());
    }
}
