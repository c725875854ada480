package io.reelfleet.operator;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import io.reelfleet.api.allocator.v1.AllocatorServiceGrpc;
import io.reelfleet.api.allocator.v1.GetFleetRequest;
import io.reelfleet.api.allocator.v1.GetSessionRequest;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionStatus;
import io.reelfleet.operator.stub.StubWorker;
import io.reelfleet.operator.stub.TestCluster;
import io.reelfleet.operator.stub.TestKubelet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two operators and one Lease, at a real API server. */
final class LeadershipIT {
    private static final Duration SOON = Duration.ofSeconds(60);

    /** A Lease is good for 15 s and looked at every 2 s; the rest is this machine's. */
    private static final Duration TAKEOVER = Duration.ofSeconds(30);

    private static TestCluster cluster;
    private static TestKubelet kubelet;
    private static KubernetesClient client;

    @TempDir static Path folder;

    private final List<OperatorProcess> started = new ArrayList<>();

    @BeforeAll
    static void startCluster() throws Exception {
        cluster = TestCluster.start();
        client = cluster.client();
        kubelet = new TestKubelet(client);
        client.resource(
                        new NamespaceBuilder()
                                .withNewMetadata()
                                .withName("reelfleet")
                                .endMetadata()
                                .build())
                .create();
        client.resource(
                        new ConfigMapBuilder()
                                .withNewMetadata()
                                .withName("sessions")
                                .withNamespace("reelfleet")
                                .endMetadata()
                                .build())
                .create();
        Files.writeString(folder.resolve("kubeconfig"), cluster.kubeConfig());
    }

    @AfterAll
    static void stopCluster() {
        if (cluster != null) {
            kubelet.close();
            cluster.close();
        }
    }

    @AfterEach
    void leaveNothing() {
        client.resources(VideoSession.class).inAnyNamespace().delete();
        client.resources(GPUPool.class).inAnyNamespace().delete();
        eventually(
                SOON,
                () -> assertThat(client.pods().inNamespace("default").list().getItems()).isEmpty());
        started.forEach(OperatorProcess::close);
        client.leases().inNamespace("reelfleet").delete();
        client.configMaps()
                .inNamespace("reelfleet")
                .withName("sessions")
                .edit(map -> new ConfigMapBuilder(map).withData(Map.of()).build());
    }

    private OperatorProcess start(String name) throws Exception {
        Path its = Files.createDirectories(folder.resolve(name));
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("reelfleet.operator.name", name);
        settings.put("reelfleet.pod.ip", "127.0.0.1");
        settings.put("reelfleet.worker.image", "example/worker:1");
        settings.put("reelfleet.sessions.config-map", "sessions");
        settings.put("reelfleet.api.token-file", folder.resolve("api-token").toString());
        settings.put("reelfleet.tokens.key-file", folder.resolve("viewer-key.pem").toString());
        OperatorProcess operator =
                OperatorProcess.start(
                        its,
                        settings,
                        Map.of("KUBECONFIG", folder.resolve("kubeconfig").toString()));
        started.add(operator);
        operator.ready();
        Files.copy(
                folder.resolve("api-token"),
                its.resolve("api-token"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        return operator;
    }

    @Test
    void aStandbyHandsCallsOnAndTakesOverWhatRunsWhenTheLeaderDies() throws Exception {
        OperatorProcess first = start("first");
        eventually(SOON, () -> assertThat(first.log()).contains("leads with term 1 as first_"));
        OperatorProcess second = start("second");
        makePoolAndSession();
        eventually(
                SOON,
                () ->
                        assertThat(session().getStatus().phase())
                                .as(first.log())
                                .isEqualTo(VideoSessionStatus.Phase.RUNNING));

        String called = openThrough(second);
        eventually(
                SOON,
                () -> assertThat(phase(second, called)).as(second.log()).isEqualTo("Running"));
        assertThat(phase(first, called)).isEqualTo("Running");
        assertThat(second.get("/v1/fleet").path("term").asLong()).isEqualTo(1);
        assertThat(overGrpc(second, called)).isEqualTo(1);
        assertThat(second.log()).doesNotContain("leads with term");
        assertThat(second.call("GET", "/v1/sessions/nobody", null, null).statusCode())
                .as("a refusal of the leader's is the caller's")
                .isEqualTo(404);

        StubWorker worker = kubelet.workers().values().iterator().next();
        List<String> before = worker.commands();
        long killed = System.nanoTime();
        first.kill();
        eventually(
                TAKEOVER,
                () -> assertThat(second.get("/v1/fleet").path("term").asLong()).isEqualTo(2));
        System.err.printf(
                "the standby leads %.1f s after the leader was killed%n",
                (System.nanoTime() - killed) / 1e9);
        eventually(SOON, () -> assertThat(phase(second, called)).isEqualTo("Running"));
        assertThat(session().getStatus().epoch()).isEqualTo(1);
        assertThat(worker.sessions())
                .containsExactlyInAnyOrder(called, session().getMetadata().getUid());
        assertThat(worker.commands())
                .as("it takes over what the workers report and moves nothing")
                .isEqualTo(before);

        OperatorProcess third = start("third");
        second.stall();
        eventually(TAKEOVER, () -> assertThat(third.log()).contains("leads with term 3 as third_"));
        second.goOn();
        assertThat(second.awaitExit()).as("who led before ends").isEqualTo(1);
        assertThat(second.log()).contains("is lost");
        eventually(SOON, () -> assertThat(phase(third, called)).isEqualTo("Running"));
    }

    @Test
    void aLeaderThatCannotRenewItsLeaseEndsAndSessionsGoOnUntilAnotherOneLeads() throws Exception {
        OperatorProcess first = start("alone");
        makePoolAndSession();
        eventually(
                SOON,
                () ->
                        assertThat(session().getStatus().phase())
                                .as(first.log())
                                .isEqualTo(VideoSessionStatus.Phase.RUNNING));
        StubWorker worker = kubelet.workers().values().iterator().next();
        cluster.stall();
        try {
            assertThat(first.awaitExit()).isEqualTo(1);
            assertThat(first.log()).contains("is lost: it could not be renewed");
            assertThat(worker.sessions()).as("it goes on").hasSize(1);
        } finally {
            cluster.goOn();
        }
        OperatorProcess next = start("next");
        eventually(SOON, () -> assertThat(next.log()).contains("leads with term 2 as next_"));
        eventually(
                SOON,
                () ->
                        assertThat(phase(next, worker.sessions().getFirst()))
                                .as(next.log())
                                .isEqualTo("Running"));
        assertThat(session().getStatus().epoch()).as("nothing moved").isEqualTo(1);
    }

    private static void makePoolAndSession() {
        client.resource(
                        Documents.read(
                                        """
                                        apiVersion: reelfleet.io/v1alpha1
                                        kind: GPUPool
                                        metadata: {name: demo, namespace: default}
                                        spec:
                                          model: {name: stub, uri: "builtin:shapes"}
                                          runtime: {device: Cpu}
                                          scaling: {minGpus: 1, maxGpus: 1, capacityHint: 4}
                                        """)
                                .getFirst())
                .create();
        client.resource(
                        Documents.read(
                                        """
                                        apiVersion: reelfleet.io/v1alpha1
                                        kind: VideoSession
                                        metadata: {name: object, namespace: default}
                                        spec: {poolRef: {name: demo}, prompt: a red circle}
                                        """)
                                .getFirst())
                .create();
    }

    private static VideoSession session() {
        return client.resources(VideoSession.class).inNamespace("default").withName("object").get();
    }

    private static String openThrough(OperatorProcess operator) throws Exception {
        var answer =
                operator.call(
                        "POST",
                        "/v1/sessions",
                        "application/yaml",
                        """
                        apiVersion: reelfleet.io/v1alpha1
                        kind: VideoSession
                        metadata: {name: called}
                        spec: {poolRef: {name: demo}, prompt: a red circle}
                        """);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(201);
        JsonNode session =
                new com.fasterxml.jackson.databind.ObjectMapper().readTree(answer.body());
        return session.at("/session/spec/uid").asText();
    }

    private static String phase(OperatorProcess operator, String uid) throws Exception {
        return operator.get("/v1/sessions/" + uid).path("phase").asText();
    }

    /** The term as the other face tells it, after the session was asked for. */
    private static long overGrpc(OperatorProcess operator, String uid) throws Exception {
        ManagedChannel channel =
                Grpc.newChannelBuilder(
                                "127.0.0.1:" + operator.port(), InsecureChannelCredentials.create())
                        .build();
        try {
            Metadata headers = new Metadata();
            headers.put(
                    Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
                    "Bearer " + Files.readString(folder.resolve("api-token")).strip());
            var stub =
                    AllocatorServiceGrpc.newBlockingStub(channel)
                            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
            assertThat(
                            stub.getSession(GetSessionRequest.newBuilder().setUid(uid).build())
                                    .getPhase())
                    .isEqualTo("Running");
            return stub.getFleet(GetFleetRequest.getDefaultInstance()).getTerm();
        } finally {
            channel.shutdownNow();
        }
    }
}
