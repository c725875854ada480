package io.reelfleet.operator.removal;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import java.net.HttpURLConnection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/**
 * Stops the operator and removes the worker pods and the Lease that it made, and the chart's demo.
 * Pools and sessions stay: they are people's, and go on from their logs when the chart is installed
 * again. It may be repeated.
 */
public final class RemoveFleet {
    private static final Duration PATIENCE = Duration.ofSeconds(75);
    private static final String DEMO = "reelfleet.io/demo";

    private final KubernetesClient client;
    private final String namespace;
    private static final long GRACE_SECONDS = 5;

    private final String instance;
    private final List<String> watched;

    RemoveFleet(KubernetesClient client, String namespace, String instance, List<String> watched) {
        this.client = client;
        this.namespace = namespace;
        this.instance = instance;
        this.watched = List.copyOf(watched);
    }

    /**
     * Reads {@code REELFLEET_NAMESPACE}, {@code _INSTANCE}, {@code _WATCH_NAMESPACES}, {@code
     * _DEPLOYMENT} and {@code _LEASE}.
     */
    public static void main(String[] arguments) {
        Map<String, String> environment = System.getenv();
        List<String> watched =
                Arrays.stream(environment.getOrDefault("REELFLEET_WATCH_NAMESPACES", "").split(","))
                        .filter(n -> !n.isBlank())
                        .toList();
        try (KubernetesClient client = new KubernetesClientBuilder().build()) {
            RemoveFleet removal =
                    new RemoveFleet(
                            client,
                            required("REELFLEET_NAMESPACE"),
                            required("REELFLEET_INSTANCE"),
                            watched);
            removal.stopOperator(required("REELFLEET_DEPLOYMENT"));
            // Before their pool goes, which would have them deleted with all their grace.
            removal.removeWorkers();
            removal.removeDemo();
            removal.removeLease(required("REELFLEET_LEASE"));
        } catch (IllegalStateException | KubernetesClientException e) {
            System.err.println("the fleet cannot be removed: " + e.getMessage());
            System.exit(1);
        }
        // The client's threads are no reason to stay.
        System.exit(0);
    }

    private static String required(String name) {
        return Objects.requireNonNull(System.getenv(name), name + " is not set");
    }

    void stopOperator(String deployment) {
        var operator = client.apps().deployments().inNamespace(namespace).withName(deployment);
        if (operator.get() == null) {
            return;
        }
        operator.scale(0);
        await(
                "the operator to stop",
                () ->
                        client.pods()
                                .inNamespace(namespace)
                                .withLabel("app.kubernetes.io/instance", instance)
                                .withLabel("app.kubernetes.io/component", "operator")
                                .list()
                                .getItems()
                                .isEmpty());
        System.out.println("the operator has stopped");
    }

    void removeDemo() {
        if (watched.isEmpty()) {
            client.resources(VideoSession.class)
                    .inAnyNamespace()
                    .withLabel(DEMO)
                    .withLabel("app.kubernetes.io/instance", instance)
                    .delete();
            client.resources(GPUPool.class)
                    .inAnyNamespace()
                    .withLabel(DEMO)
                    .withLabel("app.kubernetes.io/instance", instance)
                    .delete();
        }
        for (String n : watched) {
            client.resources(VideoSession.class)
                    .inNamespace(n)
                    .withLabel(DEMO)
                    .withLabel("app.kubernetes.io/instance", instance)
                    .delete();
            client.resources(GPUPool.class)
                    .inNamespace(n)
                    .withLabel(DEMO)
                    .withLabel("app.kubernetes.io/instance", instance)
                    .delete();
        }
    }

    void removeWorkers() {
        int count = workers().size();
        // No operator is left that could move their sessions, so nothing is gained by a long grace.
        selections().forEach(s -> s.withGracePeriod(GRACE_SECONDS).delete());
        await("the worker pods to end", () -> workers().isEmpty());
        System.out.println("worker pods that have ended: " + count);
    }

    void removeLease(String lease) {
        try {
            client.leases().inNamespace(namespace).withName(lease).delete();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
        }
    }

    private List<Pod> workers() {
        List<Pod> pods = new ArrayList<>();
        selections().forEach(s -> pods.addAll(s.list().getItems()));
        return pods;
    }

    private List<
                    FilterWatchListDeletable<
                            Pod,
                            io.fabric8.kubernetes.api.model.PodList,
                            io.fabric8.kubernetes.client.dsl.PodResource>>
            selections() {
        Map<String, String> labels =
                Map.of(
                        "app.kubernetes.io/managed-by",
                        "reelfleet-operator",
                        "app.kubernetes.io/instance",
                        instance);
        if (watched.isEmpty()) {
            return List.of(client.pods().inAnyNamespace().withLabels(labels));
        }
        return watched.stream()
                .<FilterWatchListDeletable<
                                Pod,
                                io.fabric8.kubernetes.api.model.PodList,
                                io.fabric8.kubernetes.client.dsl.PodResource>>
                        map(n -> client.pods().inNamespace(n).withLabels(labels))
                .toList();
    }

    private static void await(String what, BooleanSupplier done) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!done.getAsBoolean()) {
            if (System.nanoTime() - end > 0) {
                throw new IllegalStateException(
                        "waited " + PATIENCE.toSeconds() + " s for " + what);
            }
            try {
                Thread.sleep(500);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while waiting for " + what, e);
            }
        }
    }
}
