package io.reelfleet.operator.stub;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fabric8.kubernetes.api.model.AuthInfoBuilder;
import io.fabric8.kubernetes.api.model.Config;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.rbac.ClusterRole;
import io.fabric8.kubernetes.api.model.rbac.ClusterRoleBinding;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import io.fabric8.kubernetes.api.model.rbac.Role;
import io.fabric8.kubernetes.api.model.rbac.RoleBinding;
import io.fabric8.kubernetes.api.model.rbac.Subject;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.reelfleet.crds.KubeApiPrograms;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The chart, rendered by Helm and put into an API server: everything but pods, which nobody runs
 * there.
 */
public final class ChartRelease {
    /** Name of the release, and so of what is made. */
    public static final String NAME = "reelfleet";

    private static final String HOW =
            "skipped: there is no helm; put it on the PATH or into the folder that REELFLEET_KUBE_ASSETS names";

    private final KubernetesClient client;
    private final String namespace;
    private final List<HasMetadata> objects;

    private ChartRelease(KubernetesClient client, String namespace, List<HasMetadata> objects) {
        this.client = client;
        this.namespace = namespace;
        this.objects = objects;
    }

    /** Installs it into a new namespace; skips the test when there is no Helm. */
    public static ChartRelease install(KubernetesClient client, String namespace, String... values)
            throws IOException, InterruptedException {
        ChartRelease release =
                new ChartRelease(client, namespace, render(client, namespace, values));
        client.resource(
                        new NamespaceBuilder()
                                .withNewMetadata()
                                .withName(namespace)
                                .endMetadata()
                                .build())
                .serverSideApply();
        release.objects.stream()
                .filter(o -> !o.getKind().equals("Job"))
                .forEach(o -> client.resource(o).create());
        return release;
    }

    /** Takes it away, so that another one can be installed. */
    public void uninstall() {
        objects.forEach(o -> client.resource(o).delete());
    }

    private static List<HasMetadata> render(
            KubernetesClient client, String namespace, String... values)
            throws IOException, InterruptedException {
        Path chart = Path.of("").toAbsolutePath();
        while (!Files.exists(chart.resolve("helm/reelfleet/Chart.yaml"))) {
            chart = chart.getParent();
        }
        List<String> line =
                new ArrayList<>(
                        List.of(
                                helm().toString(),
                                "template",
                                NAME,
                                chart.resolve("helm/reelfleet").toString(),
                                "--namespace",
                                namespace,
                                "--kube-version",
                                "1.34.0",
                                "--set",
                                "crds.install=false"));
        for (String value : values) {
            line.addAll(List.of("--set", value));
        }
        Process p = new ProcessBuilder(line).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        byte[] yaml = p.getInputStream().readAllBytes();
        if (p.waitFor() != 0) {
            throw new AssertionError("helm template failed");
        }
        return client.load(new ByteArrayInputStream(yaml)).items();
    }

    private static Path helm() {
        Optional<Path> found =
                Stream.concat(
                                KubeApiPrograms.find().stream(),
                                Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
                                        .map(Path::of))
                        .map(folder -> folder.resolve("helm"))
                        .filter(Files::isExecutable)
                        .findFirst();
        if (found.isEmpty()) {
            System.err.println(HOW);
        }
        assumeTrue(found.isPresent(), HOW);
        return found.get();
    }

    /** What the chart's bindings let a service account do. */
    public Set<Permission> granted(String account) {
        Set<Permission> all = new TreeSet<>();
        for (HasMetadata o : objects) {
            if (o instanceof RoleBinding b && names(b.getSubjects(), account)) {
                String where = b.getMetadata().getNamespace();
                objects.stream()
                        .filter(
                                r ->
                                        r instanceof Role
                                                && r.getMetadata().getNamespace().equals(where)
                                                && r.getMetadata()
                                                        .getName()
                                                        .equals(b.getRoleRef().getName()))
                        .forEach(r -> expand(where, ((Role) r).getRules(), all));
            }
            if (o instanceof ClusterRoleBinding b && names(b.getSubjects(), account)) {
                objects.stream()
                        .filter(
                                r ->
                                        r instanceof ClusterRole
                                                && r.getMetadata()
                                                        .getName()
                                                        .equals(b.getRoleRef().getName()))
                        .forEach(r -> expand("", ((ClusterRole) r).getRules(), all));
            }
        }
        return all;
    }

    private boolean names(List<Subject> subjects, String account) {
        return subjects.stream()
                .anyMatch(s -> s.getName().equals(account) && s.getNamespace().equals(namespace));
    }

    private static void expand(String where, List<PolicyRule> rules, Set<Permission> all) {
        for (PolicyRule rule : rules) {
            List<String> names =
                    rule.getResourceNames().isEmpty() ? List.of("") : rule.getResourceNames();
            for (String group : rule.getApiGroups()) {
                for (String resource : rule.getResources()) {
                    for (String verb : rule.getVerbs()) {
                        for (String name : names) {
                            all.add(new Permission(where, group, resource, verb, name));
                        }
                    }
                }
            }
        }
    }

    /** The environment of a Deployment's one container, for a pod of that name on loopback. */
    public Map<String, String> environment(String deployment, String pod) {
        return environment(deployment(deployment).getSpec().getTemplate(), pod);
    }

    /** The environment of a Job's one container. */
    public Map<String, String> jobEnvironment(String job) {
        return environment(find(Job.class, job).getSpec().getTemplate(), job);
    }

    private Map<String, String> environment(PodTemplateSpec template, String pod) {
        Map<String, String> environment = new LinkedHashMap<>();
        for (EnvVar v : template.getSpec().getContainers().getFirst().getEnv()) {
            environment.put(
                    v.getName(),
                    v.getValueFrom() == null
                            ? v.getValue()
                            : switch (v.getValueFrom().getFieldRef().getFieldPath()) {
                                case "metadata.namespace" -> namespace;
                                case "metadata.name" -> pod;
                                case "status.podIP" -> "127.0.0.1";
                                default -> throw new AssertionError(v);
                            });
        }
        return environment;
    }

    /** A pod as the Deployment would make it. */
    public Pod pod(String deployment, String name) {
        var template = deployment(deployment).getSpec().getTemplate();
        return client.resource(
                        new PodBuilder()
                                .withMetadata(template.getMetadata())
                                .withSpec(template.getSpec())
                                .editMetadata()
                                .withName(name)
                                .withNamespace(namespace)
                                .endMetadata()
                                .build())
                .create();
    }

    private Deployment deployment(String name) {
        return find(Deployment.class, name);
    }

    private <T extends HasMetadata> T find(Class<T> type, String name) {
        return objects.stream()
                .filter(o -> type.isInstance(o) && o.getMetadata().getName().equals(name))
                .map(type::cast)
                .findFirst()
                .orElseThrow();
    }

    /**
     * KUBECONFIG for programs that run under an account of the release.
     *
     * @param everything KUBECONFIG of somebody with all rights
     */
    public String kubeConfig(String everything, String account) {
        Config config = Serialization.unmarshal(everything, Config.class);
        config.getUsers()
                .forEach(
                        u ->
                                u.setUser(
                                        new AuthInfoBuilder()
                                                .withToken(token(client, namespace, account))
                                                .build()));
        return Serialization.asYaml(config);
    }

    /** A token of a service account for the API server. */
    public static String token(KubernetesClient client, String namespace, String account) {
        return client.serviceAccounts()
                .inNamespace(namespace)
                .withName(account)
                .tokenRequest(new TokenRequestBuilder().withNewSpec().endSpec().build())
                .getStatus()
                .getToken();
    }

    /** The token that the kubelet would project into a pod, of audience {@code reelfleet}. */
    public static String projectedToken(KubernetesClient client, Pod pod) {
        return client.serviceAccounts()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(pod.getSpec().getServiceAccountName())
                .tokenRequest(
                        new TokenRequestBuilder()
                                .withNewSpec()
                                .withAudiences("reelfleet")
                                .withNewBoundObjectRef()
                                .withApiVersion("v1")
                                .withKind("Pod")
                                .withName(pod.getMetadata().getName())
                                .withUid(pod.getMetadata().getUid())
                                .endBoundObjectRef()
                                .endSpec()
                                .build())
                .getStatus()
                .getToken();
    }
}
