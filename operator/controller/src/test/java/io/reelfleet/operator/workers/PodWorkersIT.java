package io.reelfleet.operator.workers;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.reelfleet.operator.stub.TestCluster;
import io.reelfleet.operator.stub.TestKubelet;
import java.time.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Pod workers against a real API server; the test plays the kubelet. */
final class PodWorkersIT extends WorkerProviderContract {
    private static TestCluster cluster;
    private static TestKubelet kubelet;
    private final List<PodWorkers> made = new ArrayList<>();

    @BeforeAll
    static void start() {
        cluster = TestCluster.start();
        kubelet = new TestKubelet(cluster.client());
    }

    @AfterAll
    static void stop() {
        if (cluster != null) {
            kubelet.close();
            cluster.close();
        }
    }

    @AfterEach
    void close() {
        made.forEach(PodWorkers::close);
    }

    @Override
    PodWorkers provider() {
        PodWorkers provider = provider(cluster.client());
        made.add(provider);
        return provider;
    }

    private static PodWorkers provider(KubernetesClient client) {
        return new PodWorkers(
                client,
                new PodWorkers.Common(
                        Optional.empty(),
                        "IfNotPresent",
                        List.of(),
                        Optional.empty(),
                        "test",
                        Optional.of("store"),
                        Optional.empty(),
                        Optional.of("operator.reelfleet.svc:8080"),
                        () -> Optional.of("-----BEGIN CERTIFICATE-----\n"),
                        Map.of()),
                List.of(),
                true,
                Clock.systemUTC(),
                Runnable::run,
                pool -> {});
    }

    @Override
    void crash(String worker) {
        kubelet.crash(worker, "Out of memory");
    }

    @Test
    void aPodIsRestrictedOwnedAndNeverRestarted() throws Exception {
        PodWorkers provider = provider();
        Pod pod = provider.pod(launch("demo-fffff"));

        assertThat(pod.getSpec().getRestartPolicy()).isEqualTo("Never");
        assertThat(pod.getSpec().getSecurityContext().getRunAsNonRoot()).isTrue();
        assertThat(pod.getSpec().getSecurityContext().getSeccompProfile().getType())
                .isEqualTo("RuntimeDefault");
        assertThat(
                        pod.getSpec()
                                .getContainers()
                                .getFirst()
                                .getSecurityContext()
                                .getReadOnlyRootFilesystem())
                .isTrue();
        assertThat(
                        pod.getSpec()
                                .getContainers()
                                .getFirst()
                                .getSecurityContext()
                                .getCapabilities()
                                .getDrop())
                .containsExactly("ALL");
        assertThat(pod.getSpec().getAutomountServiceAccountToken()).isFalse();
        assertThat(pod.getMetadata().getLabels())
                .containsEntry("reelfleet.io/pool", "demo")
                .containsEntry("app.kubernetes.io/component", "worker");
        assertThat(pod.getSpec().getVolumes())
                .anyMatch(
                        v ->
                                v.getProjected() != null
                                        && v.getProjected().getSources().stream()
                                                .anyMatch(
                                                        s ->
                                                                s.getServiceAccountToken() != null
                                                                        && "reelfleet"
                                                                                .equals(
                                                                                        s.getServiceAccountToken()
                                                                                                .getAudience())));
    }

    @Test
    void aPodKnowsItsGraceAndTheImageItWasAskedForWith() throws Exception {
        PodWorkers provider = provider();
        WorkerLaunch plain = launch("demo-hhhhh");
        Map<String, String> settings = new LinkedHashMap<>(plain.settings());
        settings.put("reelfleet.worker.grace", "84s");
        Pod pod =
                provider.pod(
                        new WorkerLaunch(
                                plain.name(),
                                plain.pool(),
                                plain.poolUid(),
                                settings,
                                plain.spec()));

        assertThat(pod.getSpec().getTerminationGracePeriodSeconds()).isEqualTo(84);
        assertThat(pod.getSpec().getContainers().getFirst().getEnv())
                .as("the worker knows when it will be killed")
                .anyMatch(
                        v ->
                                v.getName().equals("REELFLEET_WORKER_GRACE")
                                        && v.getValue().equals("84s"));
        assertThat(pod.getMetadata().getAnnotations())
                .containsEntry("reelfleet.io/image", provider.image(plain.spec()));
        assertThat(provider.image(plain.spec())).isNotEmpty();
    }

    @Test
    void theOccupiedLabelComesAndGoes() throws Exception {
        PodWorkers provider = provider();
        provider.start(launch("demo-ggggg"));
        provider.occupied(POOL, "demo-ggggg", true);
        assertThat(label("demo-ggggg")).isEqualTo("true");
        provider.occupied(POOL, "demo-ggggg", false);
        assertThat(label("demo-ggggg")).isNull();
        provider.stop(POOL, "demo-ggggg");
    }

    private static String label(String pod) {
        return cluster.client()
                .pods()
                .inNamespace("default")
                .withName(pod)
                .get()
                .getMetadata()
                .getLabels()
                .get(PodWorkers.OCCUPIED);
    }
}
