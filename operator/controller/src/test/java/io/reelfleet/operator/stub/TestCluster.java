package io.reelfleet.operator.stub;

import io.fabric8.kubeapitest.KubeAPIServer;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.reelfleet.crds.Definitions;
import io.reelfleet.crds.KubeApiPrograms;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A real API server with the definitions in it. */
public final class TestCluster implements AutoCloseable {
    private final KubeAPIServer server;
    private final KubernetesClient client;

    private TestCluster(KubeAPIServer server) {
        this.server = server;
        this.client =
                new KubernetesClientBuilder()
                        .withConfig(Config.fromKubeconfig(server.getKubeConfigYaml()))
                        .build();
    }

    /** Starts one, or skips the test with a line that says how to get the programs. */
    public static TestCluster start() {
        return start(Map.of());
    }

    /** The same, with more flags of the API server. */
    public static TestCluster start(Map<String, String> flags) {
        TestCluster cluster = new TestCluster(KubeApiPrograms.start(flags));
        cluster.install();
        return cluster;
    }

    private void install() {
        for (String yaml : Definitions.generate().values()) {
            CustomResourceDefinition definition =
                    client.resource(Serialization.unmarshal(yaml, CustomResourceDefinition.class))
                            .create();
            client.resource(definition)
                    .waitUntilCondition(
                            d ->
                                    d.getStatus() != null
                                            && d.getStatus().getConditions() != null
                                            && d.getStatus().getConditions().stream()
                                                    .anyMatch(
                                                            c ->
                                                                    c.getType()
                                                                                    .equals(
                                                                                            "Established")
                                                                            && c.getStatus()
                                                                                    .equals(
                                                                                            "True")),
                            30,
                            TimeUnit.SECONDS);
        }
        // No controller manager makes it here, and no pod is admitted without it.
        client.resource(
                        new ServiceAccountBuilder()
                                .withNewMetadata()
                                .withName("default")
                                .withNamespace("default")
                                .endMetadata()
                                .build())
                .serverSideApply();
    }

    /** A client with all rights. */
    public KubernetesClient client() {
        return client;
    }

    /** For programs that take KUBECONFIG. */
    public String kubeConfig() {
        return server.getKubeConfigYaml();
    }

    /** The API server answers nothing from now on. */
    public void stall() {
        signal("STOP");
    }

    /** The API server goes on. */
    public void goOn() {
        signal("CONT");
    }

    private static void signal(String name) {
        ProcessHandle apiServer =
                ProcessHandle.current()
                        .descendants()
                        .filter(
                                p ->
                                        p.info()
                                                .arguments()
                                                .map(a -> List.of(a).contains("--secure-port"))
                                                .orElse(false))
                        .findFirst()
                        .orElseThrow();
        try {
            int code =
                    new ProcessBuilder("kill", "-" + name, Long.toString(apiServer.pid()))
                            .start()
                            .waitFor();
            if (code != 0) {
                throw new AssertionError("kill ended with " + code);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        client.close();
        server.stop();
    }
}
