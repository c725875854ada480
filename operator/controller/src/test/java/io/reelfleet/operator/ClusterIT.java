package io.reelfleet.operator;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.admissionregistration.v1.ValidatingWebhookConfiguration;
import io.fabric8.kubernetes.api.model.admissionregistration.v1.ValidatingWebhookConfigurationBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.reelfleet.crds.Condition;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.GPUPoolStatus;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionStatus;
import io.reelfleet.operator.stub.StubWorker;
import io.reelfleet.operator.stub.TestCluster;
import io.reelfleet.operator.stub.TestKubelet;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packaged operator against a real API server; the test plays the kubelet. */
final class ClusterIT {
    private static final Duration SOON = Duration.ofSeconds(60);
    private static TestCluster cluster;
    private static TestKubelet kubelet;
    private static KubernetesClient client;
    private static OperatorProcess operator;

    @TempDir static Path folder;

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
                        new NamespaceBuilder()
                                .withNewMetadata()
                                .withName("team")
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
        // As the chart makes it, to be completed by the operator.
        client.resource(
                        new ValidatingWebhookConfigurationBuilder()
                                .withNewMetadata()
                                .withName("evictions")
                                .endMetadata()
                                .addNewWebhook()
                                .withName("evictions.reelfleet.io")
                                .withAdmissionReviewVersions("v1")
                                .withNewClientConfig()
                                .withNewService("operator", "reelfleet", null, 8080)
                                .endClientConfig()
                                .withFailurePolicy("Ignore")
                                .withSideEffects("NoneOnDryRun")
                                .endWebhook()
                                .build())
                .create();
        Files.writeString(folder.resolve("kubeconfig"), cluster.kubeConfig());
        operator = start().ready();
    }

    private static OperatorProcess start() throws Exception {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("reelfleet.kubernetes", "true");
        settings.put("reelfleet.workers", "pods");
        settings.put("reelfleet.worker.image", "example/worker:1");
        settings.put("reelfleet.sessions.config-map", "sessions");
        settings.put("reelfleet.scale-down-delay", "3s");
        settings.put("reelfleet.evictions.webhook", "evictions");
        settings.put("reelfleet.worker-timeout", "6s");
        return OperatorProcess.start(
                folder, settings, Map.of("KUBECONFIG", folder.resolve("kubeconfig").toString()));
    }

    @AfterAll
    static void stopCluster() {
        if (operator != null) {
            operator.close();
        }
        if (cluster != null) {
            kubelet.close();
            cluster.close();
        }
    }

    @BeforeEach
    void makePool() {
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: GPUPool
                metadata: {name: demo, namespace: default}
                spec:
                  model: {name: stub, uri: "builtin:shapes"}
                  runtime: {device: Cpu}
                  scaling: {minGpus: 1, maxGpus: 3, capacityHint: 2}
                """);
    }

    @AfterEach
    void leaveNothing() {
        client.resources(VideoSession.class).inAnyNamespace().delete();
        client.resources(GPUPool.class).inAnyNamespace().delete();
        eventually(SOON, () -> assertThat(pods()).isEmpty());
        assertThat(client.resources(VideoSession.class).inAnyNamespace().list().getItems())
                .isEmpty();
    }

    private static void apply(String yaml) {
        client.resource(Documents.read(yaml).getFirst()).serverSideApply();
    }

    private static void applySession(String name, String more) {
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: VideoSession
                metadata: {name: %s, namespace: default}
                spec:
                  poolRef: {name: demo}
                  prompt: a red circle
                %s"""
                        .formatted(name, more.indent(2)));
    }

    private static List<Pod> pods() {
        return client.pods()
                .inNamespace("default")
                .withLabel("reelfleet.io/pool", "demo")
                .list()
                .getItems();
    }

    private static VideoSession session(String name) {
        return client.resources(VideoSession.class).inNamespace("default").withName(name).get();
    }

    private static GPUPool pool() {
        return client.resources(GPUPool.class).inNamespace("default").withName("demo").get();
    }

    private static void awaitPhase(String name, VideoSessionStatus.Phase phase) {
        eventually(
                SOON,
                () -> {
                    assertThat(session(name).getStatus()).as(operator.log()).isNotNull();
                    assertThat(session(name).getStatus().phase()).isEqualTo(phase);
                });
    }

    private static Condition condition(List<Condition> all, String type) {
        return all.stream().filter(c -> c.type().equals(type)).findFirst().orElseThrow();
    }

    @Test
    void anAppliedSessionRunsOnAWorkerAndItsDeletionFreesTheWorker() {
        applySession("one", "");
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
        VideoSession one = session("one");
        assertThat(one.getStatus().epoch()).isEqualTo(1);
        assertThat(one.getStatus().url()).endsWith("/s/" + one.getMetadata().getUid() + "/");
        assertThat(one.getMetadata().getFinalizers()).isEmpty();
        assertThat(kubelet.worker(one.getStatus().worker()).sessions())
                .containsExactly(one.getMetadata().getUid());
        assertThat(pods().getFirst().getMetadata().getOwnerReferences().getFirst().getUid())
                .isEqualTo(pool().getMetadata().getUid());
        eventually(
                SOON,
                () ->
                        assertThat(pods().getFirst().getMetadata().getLabels())
                                .containsEntry("reelfleet.io/occupied", "true"));
        eventually(
                SOON,
                () -> {
                    GPUPoolStatus status = pool().getStatus();
                    assertThat(status.workers().ready()).isEqualTo(1);
                    assertThat(status.sessions().active()).isEqualTo(1);
                    assertThat(status.capacity()).isEqualTo(2);
                    assertThat(status.gpuTypes())
                            .extracting(GPUPoolStatus.GpuType::name)
                            .containsExactly("stub GPU");
                    assertThat(condition(status.conditions(), GPUPoolStatus.READY).status())
                            .isEqualTo(Condition.Status.True);
                });

        client.resource(one).delete();
        eventually(
                SOON,
                () -> assertThat(kubelet.worker(one.getStatus().worker()).sessions()).isEmpty());
        assertThat(kubelet.worker(one.getStatus().worker()).commands())
                .contains("end " + one.getMetadata().getUid() + " 1");
    }

    @Test
    void sessionsOutliveTheirOperatorAndTheirWorker() throws Exception {
        applySession("one", "");
        applySession("two", "");
        applySession("three", "");
        for (String name : List.of("one", "two", "three")) {
            awaitPhase(name, VideoSessionStatus.Phase.RUNNING);
        }
        eventually(SOON, () -> assertThat(pods()).hasSize(2));
        String workerOfOne = session("one").getStatus().worker();
        String uidOfTwo = session("two").getMetadata().getUid();

        operator.kill();
        client.resource(session("two")).delete();
        kubelet.crash(workerOfOne, "killed by the test");
        operator = start().ready();

        eventually(
                SOON,
                () -> {
                    assertThat(session("one").getStatus().worker())
                            .isNotEqualTo(workerOfOne)
                            .isNotNull();
                    assertThat(session("one").getStatus().phase())
                            .isEqualTo(VideoSessionStatus.Phase.RUNNING);
                    assertThat(session("one").getStatus().epoch()).isGreaterThanOrEqualTo(2);
                });
        eventually(
                SOON,
                () ->
                        assertThat(kubelet.workers().values())
                                .as("deleted while no operator ran")
                                .noneMatch(w -> w.sessions().contains(uidOfTwo)));
        awaitPhase("three", VideoSessionStatus.Phase.RUNNING);
    }

    @Test
    void suspendedAndActiveAgain() {
        applySession("one", "");
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
        applySession("one", "desired: Suspended");
        awaitPhase("one", VideoSessionStatus.Phase.SUSPENDED);
        applySession("one", "desired: Active");
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
    }

    @Test
    void aSessionThatIsDoneSaysSoAndGoesAfterItsTime() {
        applySession("one", "maxChunks: 3\nttlSecondsAfterFinished: 4");
        awaitPhase("one", VideoSessionStatus.Phase.COMPLETED);
        eventually(SOON, () -> assertThat(session("one")).isNull());
    }

    @Test
    void whatAPoolDoesNotTakeSaysWhyInItsConditions() {
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: VideoSession
                metadata: {name: lost, namespace: default}
                spec: {poolRef: {name: nowhere}, prompt: a red circle}
                """);
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: VideoSession
                metadata: {name: stranger, namespace: team}
                spec: {poolRef: {name: demo, namespace: default}, prompt: a red circle}
                """);
        awaitPhase("lost", VideoSessionStatus.Phase.QUEUED);
        Condition lost =
                condition(session("lost").getStatus().conditions(), VideoSessionStatus.ACCEPTED);
        assertThat(lost.reason()).isEqualTo("PoolNotFound");
        assertThat(lost.message()).contains("there is no GPUPool default/nowhere");
        eventually(
                SOON,
                () -> {
                    VideoSession stranger =
                            client.resources(VideoSession.class)
                                    .inNamespace("team")
                                    .withName("stranger")
                                    .get();
                    Condition accepted =
                            condition(
                                    stranger.getStatus().conditions(), VideoSessionStatus.ACCEPTED);
                    assertThat(accepted.reason()).isEqualTo("NamespaceNotAllowed");
                    assertThat(accepted.message())
                            .contains(
                                    "the GPUPool default/demo does not admit sessions of namespace team; write team into its spec.allowedNamespaces");
                });
    }

    @Test
    void whatTheModelDoesNotTakeIsSaidInTheSessionsConditions() {
        eventually(SOON, () -> assertThat(pool().getStatus().workers().ready()).isEqualTo(1));
        applySession("filmed", "controls: [{kind: camera, numbers: [1, 2]}]");
        eventually(
                SOON,
                () -> {
                    Condition filmed = accepted("filmed");
                    assertThat(filmed.reason()).isEqualTo("UnknownControl");
                    assertThat(filmed.message())
                            .contains(
                                    "spec.controls: the model stub does not understand \"camera\"; write one of: prompt");
                });
        applySession("one", "");
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: VideoSession
                metadata: {name: wordy, namespace: default}
                spec: {poolRef: {name: demo}, prompt: a prompt that is TOO LONG}
                """);
        awaitPhase("wordy", VideoSessionStatus.Phase.FAILED);
        assertThat(session("wordy").getStatus().lastError()).contains(StubWorker.PROMPT_TOO_LONG);
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
    }

    @Test
    void aFullDiskIsSaidInTheSessionsStatus() {
        applySession("one", "");
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
        kubelet.worker(session("one").getStatus().worker())
                .say("file:/store is full: free space on /store");
        eventually(
                SOON,
                () ->
                        assertThat(session("one").getStatus().lastError())
                                .isEqualTo("file:/store is full: free space on /store"));
        assertThat(session("one").getStatus().phase())
                .as("it waits and goes on")
                .isEqualTo(VideoSessionStatus.Phase.RUNNING);
    }

    @Test
    void anUnsafeStoreOrABadModelIsSaidInThePoolsConditionsUntilItIsMended() {
        client.resource(pool()).delete();
        eventually(SOON, () -> assertThat(pods()).isEmpty());
        kubelet.complain("StoreUnsafe: file:/store lets the second create of an object succeed");
        makePool();
        eventually(
                SOON,
                () -> {
                    List<Condition> all = pool().getStatus().conditions();
                    Condition unsafe = condition(all, GPUPoolStatus.STORE_UNSAFE);
                    assertThat(unsafe.status()).isEqualTo(Condition.Status.True);
                    assertThat(unsafe.message())
                            .contains("file:/store lets the second create of an object succeed");
                    assertThat(condition(all, GPUPoolStatus.READY).status())
                            .isEqualTo(Condition.Status.False);
                });
        String broken =
                "model file:/models/store: transformer/model-00002-of-00003.safetensors is missing";
        kubelet.complain(broken);
        eventually(
                SOON,
                () -> {
                    List<Condition> all = pool().getStatus().conditions();
                    Condition ready = condition(all, GPUPoolStatus.READY);
                    assertThat(ready.reason()).isEqualTo("ModelInvalid");
                    assertThat(ready.message()).contains(broken);
                    assertThat(condition(all, GPUPoolStatus.STORE_UNSAFE).status())
                            .isEqualTo(Condition.Status.False);
                });
        kubelet.complain(null);
        eventually(
                SOON,
                () ->
                        assertThat(
                                        condition(
                                                        pool().getStatus().conditions(),
                                                        GPUPoolStatus.READY)
                                                .status())
                                .isEqualTo(Condition.Status.True));
    }

    private static Condition accepted(String name) {
        VideoSession session = session(name);
        assertThat(session.getStatus()).isNotNull();
        return condition(session.getStatus().conditions(), VideoSessionStatus.ACCEPTED);
    }

    @Test
    void whileTheApiServerStallsSessionsGoOnAndNothingMoves() throws Exception {
        applySession("one", "");
        applySession("two", "");
        applySession("three", "");
        for (String name : List.of("one", "two", "three")) {
            awaitPhase(name, VideoSessionStatus.Phase.RUNNING);
        }
        String uid = session("one").getMetadata().getUid();
        cluster.stall();
        try {
            long before = chunks(uid);
            eventually(SOON, () -> assertThat(chunks(uid)).isGreaterThan(before + 5));
            assertThat(operator.get("/v1/sessions/" + uid).path("phase").asText())
                    .isEqualTo("Running");
        } finally {
            cluster.goOn();
        }
        applySession("one", "desired: Suspended");
        awaitPhase("one", VideoSessionStatus.Phase.SUSPENDED);
        assertThat(session("one").getStatus().epoch()).as("nothing moved").isEqualTo(1);
    }

    private static long chunks(String uid) throws Exception {
        return operator.get("/v1/sessions/" + uid).path("nextChunk").asLong();
    }

    @Test
    void workersLeaveACordonedNodeAndOneWithATaint() {
        List<String> nodes = List.of("n1", "n2", "n3");
        nodes.forEach(n -> client.resource(node(n)).create());
        try {
            eventually(SOON, () -> assertThat(pods()).hasSize(1));
            kubelet.schedule("n1");
            client.resource(pods().getFirst()).withGracePeriod(0).delete();
            applySession("one", "");
            awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
            awaitOnNode("n1");

            kubelet.schedule("n2");
            client.nodes()
                    .withName("n1")
                    .edit(n -> new NodeBuilder(n).editSpec().withUnschedulable().endSpec().build());
            awaitOnNode("n2");

            kubelet.schedule("n3");
            client.nodes()
                    .withName("n2")
                    .edit(
                            n ->
                                    new NodeBuilder(n)
                                            .editSpec()
                                            .addNewTaint("NoSchedule", "spot/terminates", null, "")
                                            .endSpec()
                                            .build());
            awaitOnNode("n3");
            assertThat(operator.log())
                    .contains("node n1 is cordoned", "node n2 has the taint spot/terminates");
        } finally {
            kubelet.schedule(null);
            nodes.forEach(n -> client.nodes().withName(n).delete());
        }
    }

    private static Node node(String name) {
        return new NodeBuilder().withNewMetadata().withName(name).endMetadata().build();
    }

    /** The session runs there, and the worker that it left is gone. */
    private static void awaitOnNode(String node) {
        eventually(
                SOON,
                () -> {
                    assertThat(pods()).as(operator.log()).hasSize(1);
                    assertThat(pods().getFirst().getSpec().getNodeName()).isEqualTo(node);
                    assertThat(kubelet.worker(pods().getFirst().getMetadata().getName()).sessions())
                            .containsExactly(session("one").getMetadata().getUid());
                });
    }

    @Test
    void anEvictionEmptiesTheWorkerAndIsRefusedUntilThen() throws Exception {
        applySession("one", "");
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
        eventually(
                SOON,
                () ->
                        assertThat(pods().getFirst().getMetadata().getLabels())
                                .containsEntry("reelfleet.io/occupied", "true"));
        ValidatingWebhookConfiguration written =
                client.admissionRegistration()
                        .v1()
                        .validatingWebhookConfigurations()
                        .withName("evictions")
                        .get();
        String path = written.getWebhooks().getFirst().getClientConfig().getService().getPath();
        String worker = pods().getFirst().getMetadata().getName();

        assertThat(evict("/admission/v1/evictions/guessed", worker, false)).contains("404");
        assertThat(evict(path, "somebody-elses", false)).contains("\"allowed\":true");
        assertThat(evict(path, worker, true)).contains("\"allowed\":false");
        assertThat(pods().getFirst().getMetadata().getAnnotations())
                .as("a dry run changes nothing")
                .doesNotContainKey("reelfleet.io/evicted");
        assertThat(evict(path, worker, false))
                .contains(
                        "\"uid\":\"u1\"",
                        "\"allowed\":false",
                        "\"code\":429",
                        "worker " + worker + " has sessions; they are being moved");

        eventually(
                SOON,
                () -> {
                    assertThat(pods()).as(operator.log()).hasSize(1);
                    assertThat(pods().getFirst().getMetadata().getName()).isNotEqualTo(worker);
                    assertThat(kubelet.worker(pods().getFirst().getMetadata().getName()).sessions())
                            .containsExactly(session("one").getMetadata().getUid());
                });
        assertThat(evict(path, worker, false)).contains("\"allowed\":true");
    }

    /** What the API server asks, and the status and body of the answer. */
    private static String evict(String path, String pod, boolean dryRun) throws Exception {
        HttpResponse<String> answer =
                operator.call(
                        "POST",
                        path,
                        "application/json",
                        """
                        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
                         {"uid": "u1", "namespace": "default", "name": "%s", "dryRun": %s}}
                        """
                                .formatted(pod, dryRun));
        return answer.statusCode() + " " + answer.body();
    }

    @Test
    void aNewImageReplacesTheWorkerOnceANewOneIsReady() {
        applySession("one", "");
        awaitPhase("one", VideoSessionStatus.Phase.RUNNING);
        String old = pods().getFirst().getMetadata().getName();
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: GPUPool
                metadata: {name: demo, namespace: default}
                spec:
                  model: {name: stub, uri: "builtin:shapes"}
                  runtime: {device: Cpu, image: "example/worker:2"}
                  scaling: {minGpus: 1, maxGpus: 3, capacityHint: 2}
                """);
        eventually(
                SOON,
                () -> {
                    assertThat(pods()).as(operator.log()).hasSize(1);
                    Pod pod = pods().getFirst();
                    assertThat(pod.getMetadata().getName()).isNotEqualTo(old);
                    assertThat(pod.getSpec().getContainers().getFirst().getImage())
                            .isEqualTo("example/worker:2");
                    assertThat(kubelet.worker(pod.getMetadata().getName()).sessions())
                            .containsExactly(session("one").getMetadata().getUid());
                });
    }

    @Test
    void scaleSetsWorkersInManual() {
        client.resource(pool()).delete();
        apply(
                """
                apiVersion: reelfleet.io/v1alpha1
                kind: GPUPool
                metadata: {name: demo, namespace: default}
                spec:
                  model: {name: stub, uri: "builtin:shapes"}
                  runtime: {device: Cpu}
                  replicas: 1
                  scaling: {mode: Manual, maxGpus: 3}
                """);
        eventually(SOON, () -> assertThat(pool().getStatus().workers().ready()).isEqualTo(1));
        client.resources(GPUPool.class).inNamespace("default").withName("demo").scale(2);
        eventually(SOON, () -> assertThat(pool().getStatus().replicas()).isEqualTo(2));
        client.resources(GPUPool.class).inNamespace("default").withName("demo").scale(0);
        eventually(SOON, () -> assertThat(pods()).isEmpty());
    }

    @Test
    void anAllocatorSessionIsRememberedByTheNextOperator() throws Exception {
        String body =
                operator.call(
                                "POST",
                                "/v1/sessions",
                                "application/json",
                                "{\"spec\":{\"pool\":\"default/demo\",\"controls\":[{\"kind\":\"prompt\",\"text\":\"a red circle\"}]}}")
                        .body();
        String uid =
                new com.fasterxml.jackson.databind.ObjectMapper()
                        .readTree(body)
                        .path("session")
                        .path("spec")
                        .path("uid")
                        .asText();
        eventually(
                SOON,
                () ->
                        assertThat(operator.get("/v1/sessions/" + uid).path("phase").asText())
                                .as(body)
                                .isEqualTo("Running"));
        String worker = operator.get("/v1/sessions/" + uid).path("worker").asText();

        operator.kill();
        kubelet.crash(worker, "killed by the test");
        operator = start().ready();
        eventually(
                SOON,
                () ->
                        assertThat(operator.get("/v1/sessions/" + uid).path("phase").asText())
                                .isEqualTo("Running"));
        assertThat(operator.call("DELETE", "/v1/sessions/" + uid, null, null).statusCode())
                .isEqualTo(200);
    }
}
