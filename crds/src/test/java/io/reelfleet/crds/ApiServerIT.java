package io.reelfleet.crds;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubeapitest.KubeAPIServer;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A real API server takes and refuses what {@link SessionRules} and {@link PoolRules} do, in the
 * same words.
 */
class ApiServerIT {
    private static KubeAPIServer server;
    private static KubernetesClient client;

    @BeforeAll
    static void installDefinitions() throws Exception {
        server = KubeApiPrograms.start();
        client =
                new KubernetesClientBuilder()
                        .withConfig(Config.fromKubeconfig(server.getKubeConfigYaml()))
                        .build();
        // As people install them: kubectl reads YAML otherwise than Java does.
        kubectl("apply", "-f", Path.of("generated").toAbsolutePath().toString());
        kubectl(
                "wait",
                "--for=condition=Established",
                "--timeout=30s",
                "crd/gpupools.reelfleet.io",
                "crd/videosessions.reelfleet.io");
    }

    @AfterAll
    static void stop() {
        if (server != null) {
            client.close();
            server.stop();
        }
    }

    static List<BadInput> inputs() {
        return RulesTest.inputs();
    }

    @ParameterizedTest
    @MethodSource("inputs")
    void refusesWhatPeopleGetWrongInTheSameWords(BadInput input) {
        assertThat(refusal(input.yaml())).contains(input.field(), input.sentence());
    }

    @Test
    void takesGoodOnesAndWritesTheDefaultsThatTheClassesHave() {
        VideoSession session =
                create("VideoSession", "defaults", BadInput.SESSION, VideoSession.class);
        assertThat(stored(session))
                .isEqualTo(
                        Documents.readSession(
                                        BadInput.document(
                                                "VideoSession", "defaults", BadInput.SESSION))
                                .getSpec());
        GPUPool pool = create("GPUPool", "defaults", BadInput.POOL, GPUPool.class);
        GPUPoolSpec local =
                ((GPUPool)
                                Documents.read(
                                                BadInput.document(
                                                        "GPUPool", "defaults", BadInput.POOL))
                                        .get(0))
                        .getSpec();
        assertThat(pool.getSpec()).isEqualTo(local);
        GenericKubernetesResource raw =
                client.genericKubernetesResources("reelfleet.io/v1alpha1", "GPUPool")
                        .inNamespace("default")
                        .withName("defaults")
                        .get();
        // Written by the server, not only by the classes.
        assertThat(raw.<Object>get("spec", "latency", "target")).isEqualTo("750ms");
        assertThat(raw.<Object>get("spec", "runtime", "gpusPerPod")).isEqualTo(1);
        assertThat(raw.<Object>get("spec", "scaling", "mode")).isEqualTo("Predictive");
        assertThat(raw.<Object>get("spec", "retention", "afterFinished")).isEqualTo("24h");
    }

    @ParameterizedTest
    @MethodSource("io.reelfleet.crds.BadInput#sessionUpdates")
    void refusesChangesOfWhatIsFixed(BadInput change) {
        if (client.resources(VideoSession.class).inNamespace("default").withName("s").get()
                == null) {
            create("VideoSession", "s", BadInput.SESSION, VideoSession.class);
        }
        assertThatThrownBy(() -> client.resource(change.yaml()).inNamespace("default").update())
                .hasMessageContaining(change.sentence());
    }

    @Test
    void letsALiveSessionChangeItsPromptControlsPacingAndLimits() {
        create("VideoSession", "live", BadInput.SESSION, VideoSession.class);
        String changed =
                "poolRef: {name: shapes}\n  prompt: a blue square\n  seed: 7\n  pacing: Viewer\n  desired: Suspended\n"
                        + "  maxChunks: 9\n  maxDuration: 2m\n  controls: [{kind: prompt, fromChunk: 4, text: a green star}]";
        client.resource(BadInput.document("VideoSession", "live", changed))
                .inNamespace("default")
                .update();
        assertThat(
                        client.resources(VideoSession.class)
                                .inNamespace("default")
                                .withName("live")
                                .get()
                                .getSpec()
                                .prompt())
                .isEqualTo("a blue square");
    }

    @Test
    void aPoolKeepsItsModelButNotItsSecret() {
        String model =
                "model: {name: m, uri: 's3://b/m', secretRef: {name: old}}\n  scaling: {maxGpus: 2}";
        create("GPUPool", "fixed", model, GPUPool.class);
        client.resource(BadInput.document("GPUPool", "fixed", model.replace("old", "new")))
                .inNamespace("default")
                .update();
        assertThatThrownBy(
                        () ->
                                client.resource(
                                                BadInput.document(
                                                        "GPUPool",
                                                        "fixed",
                                                        model.replace("b/m", "b/other")))
                                        .inNamespace("default")
                                        .update())
                .hasMessageContaining(Sentences.MODEL_FIXED);
    }

    @Test
    void scaleSetsReplicasInModeManualOnly() throws Exception {
        create(
                "GPUPool",
                "manual",
                "model: {name: m, uri: 'builtin:shapes'}\n  scaling: {mode: Manual, maxGpus: 4}\n  replicas: 1",
                GPUPool.class);
        assertThat(kubectl("scale", "gpool", "manual", "--replicas=3")).contains("scaled");
        assertThat(
                        client.resources(GPUPool.class)
                                .inNamespace("default")
                                .withName("manual")
                                .get()
                                .getSpec()
                                .replicas())
                .isEqualTo(3);
        assertThat(refusedKubectl("scale", "gpool", "manual", "--replicas=5"))
                .contains(Sentences.REPLICAS_MAX);
        create("GPUPool", "reactive", BadInput.POOL, GPUPool.class);
        assertThat(refusedKubectl("scale", "gpool", "reactive", "--replicas=2"))
                .contains(Sentences.REPLICAS_MODE);
    }

    @Test
    void statusIsWrittenThroughItsSubresourceOnly() {
        VideoSession session =
                create("VideoSession", "status", BadInput.SESSION, VideoSession.class);
        session.setStatus(
                new VideoSessionStatus(
                        VideoSessionStatus.Phase.RUNNING,
                        "shapes-abcde",
                        3L,
                        "http://gateway/s/x/",
                        null,
                        null,
                        null,
                        1L,
                        List.of(
                                new Condition(
                                        VideoSessionStatus.READY,
                                        Condition.Status.True,
                                        "Running",
                                        "it runs",
                                        "2026-01-01T00:00:00Z",
                                        1L))));
        assertThat(client.resource(session).inNamespace("default").update().getStatus()).isNull();
        session.getMetadata().setResourceVersion(null);
        VideoSession written = client.resource(session).inNamespace("default").updateStatus();
        assertThat(written.getStatus()).isEqualTo(session.getStatus());
    }

    @Test
    void kubectlShowsWhatMattersInColumns() throws Exception {
        create("VideoSession", "columns", BadInput.SESSION, VideoSession.class);
        assertThat(
                        kubectl("get", "vsession", "columns")
                                .lines()
                                .findFirst()
                                .orElseThrow()
                                .split(" +"))
                .containsExactly("NAME", "PHASE", "POOL", "WORKER", "AGE");
        assertThat(kubectl("get", "vsession", "columns", "-o", "wide"))
                .contains("DESIRED", "PACING", "EPOCH", "URL", "LAST ERROR", "Realtime");
        create("GPUPool", "columns", BadInput.POOL, GPUPool.class);
        assertThat(kubectl("get", "gpool", "columns").lines().findFirst().orElseThrow().split(" +"))
                .containsExactly(
                        "NAME",
                        "MODEL",
                        "READY",
                        "WANTED",
                        "ACTIVE",
                        "SUSPENDED",
                        "QUEUED",
                        "P99",
                        "AGE");
    }

    static Stream<Path> examples() throws IOException {
        return Files.list(Path.of("../docs/examples")).filter(f -> f.toString().endsWith(".yaml"));
    }

    @ParameterizedTest
    @MethodSource("examples")
    void theExamplesAreTaken(Path example) throws Exception {
        assertThat(
                        kubectl(
                                "apply",
                                "--dry-run=server",
                                "--validate=strict",
                                "-f",
                                example.toAbsolutePath().toString()))
                .contains("(server dry run)");
        assertThat(Documents.read(Files.readString(example)))
                .allSatisfy(
                        d ->
                                assertThat(
                                                d instanceof VideoSession s
                                                        ? SessionRules.check(s)
                                                        : PoolRules.check((GPUPool) d))
                                        .isEmpty());
    }

    private static VideoSessionSpec stored(VideoSession session) {
        return client.resources(VideoSession.class)
                .inNamespace("default")
                .withName(session.getMetadata().getName())
                .get()
                .getSpec();
    }

    /** Creates it as it is written; the classes must not fill in what the server should. */
    private static <T extends HasMetadata> T create(
            String kind, String name, String spec, Class<T> type) {
        client.genericKubernetesResources("reelfleet.io/v1alpha1", kind)
                .inNamespace("default")
                .resource(
                        Serialization.unmarshal(
                                BadInput.document(kind, name, spec),
                                GenericKubernetesResource.class))
                .create();
        return client.resources(type).inNamespace("default").withName(name).get();
    }

    /** What the server says of a raw document; the classes must not fill anything in before. */
    private static String refusal(String yaml) {
        GenericKubernetesResource raw =
                Serialization.unmarshal(yaml, GenericKubernetesResource.class);
        try {
            client.genericKubernetesResources("reelfleet.io/v1alpha1", raw.getKind())
                    .inNamespace("default")
                    .resource(raw)
                    .create();
            return "";
        } catch (KubernetesClientException e) {
            return e.getMessage();
        }
    }

    private static String kubectl(String... arguments) throws Exception {
        return kubectl(0, arguments);
    }

    private static String refusedKubectl(String... arguments) throws Exception {
        return kubectl(1, arguments);
    }

    private static String kubectl(int exitCode, String... arguments) throws Exception {
        Path config = Files.createTempFile("reelfleet", ".kubeconfig");
        try {
            Files.writeString(config, server.getKubeConfigYaml());
            List<String> command =
                    Stream.concat(
                                    Stream.of(
                                            KubeApiPrograms.find()
                                                    .orElseThrow()
                                                    .resolve("kubectl")
                                                    .toString(),
                                            "--kubeconfig",
                                            config.toString()),
                                    Stream.of(arguments))
                            .toList();
            Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
            String out = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(p.waitFor()).as(out).isEqualTo(exitCode);
            return out;
        } finally {
            Files.delete(config);
        }
    }
}
