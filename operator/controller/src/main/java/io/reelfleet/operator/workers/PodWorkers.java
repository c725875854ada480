package io.reelfleet.operator.workers;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.EnvVarBuilder;
import io.fabric8.kubernetes.api.model.LocalObjectReference;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.reelfleet.crds.Durations;
import io.reelfleet.crds.GPUPoolSpec;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * Workers as bare pods: the operator chooses which one goes, so no ReplicaSet stands between. A
 * pod's name is its worker's and is never used again; the GPUPool owns it, so that Kubernetes
 * collects it with the pool. A pod that has ended is removed at once, with its last words
 * remembered.
 */
public final class PodWorkers implements WorkerProvider, AutoCloseable {
    private static final Logger LOG = Logger.getLogger(PodWorkers.class);

    /** Label of the pool a worker is of. */
    public static final String POOL = "reelfleet.io/pool";

    /** Label of a worker that has sessions; a PodDisruptionBudget stands over those. */
    public static final String OCCUPIED = "reelfleet.io/occupied";

    /**
     * Annotation with the certificates of the authorities that certify the parts, which the pod
     * reads as a file.
     */
    private static final String AUTHORITY = "reelfleet.io/authority";

    /** Annotation with the image that the worker was started with, as it was asked for. */
    private static final String IMAGE = "reelfleet.io/image";

    /** Annotation of a worker whose eviction was asked for, with the time of that. */
    private static final String EVICTED = "reelfleet.io/evicted";

    private static final String MANAGED_BY = "app.kubernetes.io/managed-by";
    private static final String OPERATOR = "reelfleet-operator";
    private static final String GRACE = "reelfleet.worker.grace";
    private static final long USUAL_GRACE_SECONDS = 30;
    private static final String CONTAINER = "worker";
    private static final int PORT = 9090;
    private static final int MANAGEMENT_PORT = 9000;
    private static final long NON_ROOT = 10001L;

    /** A pod that was just made may not be in the informer's cache yet. */
    private static final long CACHE_LAG_MILLIS = 15_000;

    /**
     * A pod whose grace has run out and that is still there sits on a node that does not answer.
     */
    private static final long UNREACHABLE_MILLIS = 10_000;

    private static final int LAST_WORDS_KEPT = 200;

    /**
     * What all pools' pods have in common.
     *
     * @param image for pools that name none
     * @param pullPolicy Always, IfNotPresent or Never
     * @param pullSecrets names of Secrets in the pool's namespace
     * @param serviceAccount of worker pods; its API token is not mounted
     * @param instance Helm release
     * @param storeClaim PersistentVolumeClaim mounted at /store
     * @param storeSecret Secret with S3 credentials, as environment
     * @param trustEndpoint {@code host:port} of the operator; empty where workers talk in clear
     *     text
     * @param authorityPem certificates of the authorities that the operator's certificate is of
     * @param environment more variables for every worker
     */
    public record Common(
            Optional<String> image,
            String pullPolicy,
            List<String> pullSecrets,
            Optional<String> serviceAccount,
            String instance,
            Optional<String> storeClaim,
            Optional<String> storeSecret,
            Optional<String> trustEndpoint,
            Supplier<Optional<String>> authorityPem,
            Map<String, String> environment) {}

    private final KubernetesClient client;
    private final Common common;
    private final Clock clock;
    private final Executor background;
    private final Consumer<String> changed;
    private final List<SharedIndexInformer<Pod>> informers = new ArrayList<>();
    private final Optional<Nodes> nodes;
    private final Map<String, Long> justMade = new ConcurrentHashMap<>();
    private final Map<String, String> lastWords =
            java.util.Collections.synchronizedMap(
                    new LinkedHashMap<>() {
                        private static final long serialVersionUID = 1L;

                        @Override
                        protected boolean removeEldestEntry(Map.Entry<String, String> eldest) {
                            return size() > LAST_WORDS_KEPT;
                        }
                    });

    /**
     * Follows the worker pods of these namespaces.
     *
     * @param namespaces empty for all
     * @param watchNodes whether nodes are followed, so that workers leave one that is cordoned or
     *     tainted
     * @param background runs calls to the API server
     * @param changed is told the pool ({@code namespace/name}) whose pods have changed
     */
    public PodWorkers(
            KubernetesClient client,
            Common common,
            List<String> namespaces,
            boolean watchNodes,
            Clock clock,
            Executor background,
            Consumer<String> changed) {
        this.client = client;
        this.common = common;
        this.clock = clock;
        this.background = background;
        this.changed = changed;
        ResourceEventHandler<Pod> handler =
                new ResourceEventHandler<>() {
                    @Override
                    public void onAdd(Pod pod) {
                        seen(pod);
                    }

                    @Override
                    public void onUpdate(Pod before, Pod pod) {
                        seen(pod);
                    }

                    @Override
                    public void onDelete(Pod pod, boolean unknown) {
                        justMade.remove(key(pod));
                        changed.accept(pool(pod));
                    }
                };
        if (namespaces.isEmpty()) {
            informers.add(
                    client.pods().inAnyNamespace().withLabel(MANAGED_BY, OPERATOR).inform(handler));
        } else {
            for (String namespace : namespaces) {
                informers.add(
                        client.pods()
                                .inNamespace(namespace)
                                .withLabel(MANAGED_BY, OPERATOR)
                                .inform(handler));
            }
        }
        nodes = watchNodes ? Nodes.follow(client, this::nodeChanged) : Optional.empty();
    }

    /** Its workers may have to leave it, or to leave it no longer. */
    private void nodeChanged(String node) {
        for (SharedIndexInformer<Pod> informer : informers) {
            informer.getStore().list().stream()
                    .filter(p -> node.equals(p.getSpec().getNodeName()))
                    .map(PodWorkers::pool)
                    .distinct()
                    .forEach(changed);
        }
    }

    private void seen(Pod pod) {
        justMade.remove(key(pod));
        if (ended(pod)) {
            String words = words(pod);
            if (words != null) {
                lastWords.put(pod.getMetadata().getName(), words);
            }
            background.execute(
                    () -> delete(pod.getMetadata().getNamespace(), pod.getMetadata().getName()));
        }
        changed.accept(pool(pod));
    }

    private static String key(Pod pod) {
        return pod.getMetadata().getNamespace() + "/" + pod.getMetadata().getName();
    }

    private static String pool(Pod pod) {
        return pod.getMetadata().getNamespace() + "/" + pod.getMetadata().getLabels().get(POOL);
    }

    private static boolean ended(Pod pod) {
        String phase = pod.getStatus() == null ? null : pod.getStatus().getPhase();
        return "Succeeded".equals(phase) || "Failed".equals(phase);
    }

    private static String words(Pod pod) {
        for (ContainerStatus c : pod.getStatus().getContainerStatuses()) {
            if (c.getState() != null && c.getState().getTerminated() != null) {
                String message = c.getState().getTerminated().getMessage();
                if (message != null && !message.isBlank()) {
                    return message.strip()
                            .lines()
                            .reduce((a, b) -> b.startsWith("\t") ? a : b)
                            .orElse(message);
                }
                Integer code = c.getState().getTerminated().getExitCode();
                String reason = c.getState().getTerminated().getReason();
                return code == null || code == 0
                        ? null
                        : "the worker ended with code %d (%s)"
                                .formatted(code, reason == null ? "no reason" : reason);
            }
        }
        return pod.getStatus().getMessage();
    }

    @Override
    public void start(WorkerLaunch launch) throws WorkerStartException {
        Pod pod = pod(launch);
        try {
            client.resource(pod).create();
            justMade.put(key(pod), clock.millis());
        } catch (KubernetesClientException e) {
            boolean there =
                    e.getCode() == HttpURLConnection.HTTP_CONFLICT
                            && e.getStatus() != null
                            && "AlreadyExists".equals(e.getStatus().getReason());
            if (!there) {
                throw new WorkerStartException(
                        "a worker pod cannot be made: "
                                + (e.getStatus() == null
                                        ? e.getMessage()
                                        : e.getStatus().getMessage()),
                        e);
            }
        }
    }

    @Override
    public void stop(String pool, String worker) {
        delete(pool.substring(0, pool.indexOf('/')), worker);
        justMade.remove(pool.substring(0, pool.indexOf('/')) + "/" + worker);
    }

    private void delete(String namespace, String name) {
        try {
            client.pods().inNamespace(namespace).withName(name).delete();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
        }
    }

    @Override
    public List<ProvidedWorker> list(String pool) {
        int slash = pool.indexOf('/');
        String namespace = pool.substring(0, slash);
        String name = pool.substring(slash + 1);
        long now = clock.millis();
        List<ProvidedWorker> there = new ArrayList<>();
        Map<String, Long> missing = new HashMap<>(justMade);
        for (SharedIndexInformer<Pod> informer : informers) {
            if (!informer.hasSynced()) {
                throw new IllegalStateException("the list of pods is not there yet");
            }
            for (Pod pod : informer.getStore().list()) {
                boolean ours =
                        namespace.equals(pod.getMetadata().getNamespace())
                                && name.equals(pod.getMetadata().getLabels().get(POOL));
                if (ours) {
                    missing.remove(key(pod));
                    if (!gone(pod, now)) {
                        there.add(provided(pod));
                    }
                }
            }
        }
        missing.forEach(
                (key, at) -> {
                    if (key.startsWith(namespace + "/" + name + "-")
                            && now - at < CACHE_LAG_MILLIS) {
                        there.add(
                                new ProvidedWorker(
                                        key.substring(slash + 1),
                                        null,
                                        Instant.ofEpochMilli(at),
                                        null,
                                        null,
                                        "",
                                        ""));
                    }
                });
        return there;
    }

    private static boolean gone(Pod pod, long now) {
        if (ended(pod)) {
            return true;
        }
        String end = pod.getMetadata().getDeletionTimestamp();
        // The timestamp is when the grace ends, not when the deletion was asked for.
        return end != null && now - Instant.parse(end).toEpochMilli() > UNREACHABLE_MILLIS;
    }

    private ProvidedWorker provided(Pod pod) {
        String ip = pod.getStatus() == null ? null : pod.getStatus().getPodIP();
        boolean running = pod.getStatus() != null && "Running".equals(pod.getStatus().getPhase());
        return new ProvidedWorker(
                pod.getMetadata().getName(),
                running && ip != null && !ip.isEmpty() ? host(ip) + ":" + port(pod) : null,
                Instant.parse(pod.getMetadata().getCreationTimestamp()),
                leaving(pod),
                problem(pod),
                Objects.requireNonNullElse(pod.getSpec().getNodeName(), ""),
                image(pod));
    }

    private Leaving leaving(Pod pod) {
        String end = pod.getMetadata().getDeletionTimestamp();
        if (end != null) {
            return new Leaving(
                    Leaving.Reason.TOLD_TO_END, "its pod is being deleted", Instant.parse(end));
        }
        Leaving ofNode = nodes.map(n -> n.leaving(pod)).orElse(null);
        return ofNode == null && annotated(pod, EVICTED)
                ? new Leaving(Leaving.Reason.EVICTION, "its eviction was asked for", null)
                : ofNode;
    }

    private static boolean annotated(Pod pod, String annotation) {
        return pod.getMetadata().getAnnotations() != null
                && pod.getMetadata().getAnnotations().containsKey(annotation);
    }

    /**
     * Somebody asks for the eviction of a pod: a worker that has sessions is emptied first. Any
     * operator may be asked; the annotation tells the one that leads.
     *
     * @return why it cannot go yet; empty when it may, or is no worker
     */
    public Optional<String> evictionAsked(String namespace, String name, boolean dryRun) {
        Optional<Pod> occupied =
                informers.stream()
                        .map(i -> i.getStore().getByKey(namespace + "/" + name))
                        .filter(Objects::nonNull)
                        .filter(p -> !ended(p) && p.getMetadata().getDeletionTimestamp() == null)
                        .filter(p -> p.getMetadata().getLabels().containsKey(OCCUPIED))
                        .findFirst();
        if (occupied.isEmpty()) {
            return Optional.empty();
        }
        if (!dryRun && !annotated(occupied.get(), EVICTED)) {
            LOG.infof("the eviction of worker %s is asked for; it is emptied first", name);
            background.execute(
                    () ->
                            patch(
                                    namespace,
                                    name,
                                    "annotations",
                                    EVICTED,
                                    clock.instant().toString()));
        }
        return Optional.of(
                "worker %s has sessions; they are being moved to other workers: try again in some seconds"
                        .formatted(name));
    }

    /** As it was asked for: what an admission webhook made of it since is not ours to compare. */
    private static String image(Pod pod) {
        String asked =
                pod.getMetadata().getAnnotations() == null
                        ? null
                        : pod.getMetadata().getAnnotations().get(IMAGE);
        return asked != null
                ? asked
                : pod.getSpec().getContainers().stream()
                        .filter(c -> CONTAINER.equals(c.getName()))
                        .map(Container::getImage)
                        .findFirst()
                        .orElse("");
    }

    @Override
    public String image(GPUPoolSpec spec) {
        PodTemplateSpec template = spec.runtime().podTemplate();
        Optional<String> given =
                template == null || template.getSpec() == null
                        ? Optional.empty()
                        : template.getSpec().getContainers().stream()
                                .filter(c -> CONTAINER.equals(c.getName()))
                                .map(Container::getImage)
                                .filter(Objects::nonNull)
                                .findFirst();
        return given.or(() -> Optional.ofNullable(spec.runtime().image()))
                .or(common::image)
                .orElse("");
    }

    private static String host(String ip) {
        return ip.indexOf(':') >= 0 ? "[" + ip + "]" : ip;
    }

    private static int port(Pod pod) {
        return pod.getSpec().getContainers().stream()
                .filter(c -> c.getName().equals(CONTAINER))
                .flatMap(c -> c.getPorts().stream())
                .filter(p -> "grpc".equals(p.getName()))
                .map(p -> p.getContainerPort())
                .findFirst()
                .orElse(PORT);
    }

    /** Why a pod does not run, in a sentence; null when nothing is known against it. */
    private static String problem(Pod pod) {
        if (pod.getStatus() == null) {
            return null;
        }
        for (ContainerStatus c : pod.getStatus().getContainerStatuses()) {
            if (c.getState() != null && c.getState().getWaiting() != null) {
                String reason = c.getState().getWaiting().getReason();
                String message = c.getState().getWaiting().getMessage();
                if (reason != null && (reason.contains("Image") || reason.contains("Config"))) {
                    return "image %s: %s%s"
                            .formatted(c.getImage(), reason, message == null ? "" : ": " + message);
                }
            }
        }
        return pod.getStatus().getConditions().stream()
                .filter(c -> "PodScheduled".equals(c.getType()) && "False".equals(c.getStatus()))
                .map(c -> c.getReason() + (c.getMessage() == null ? "" : ": " + c.getMessage()))
                .findFirst()
                .orElse(null);
    }

    @Override
    public void occupied(String pool, String worker, boolean occupied) {
        patch(
                pool.substring(0, pool.indexOf('/')),
                worker,
                "labels",
                OCCUPIED,
                occupied ? "true" : null);
    }

    private void patch(String namespace, String worker, String field, String key, String value) {
        String json = value == null ? "null" : "\"" + value + "\"";
        try {
            client.pods()
                    .inNamespace(namespace)
                    .withName(worker)
                    .patch(
                            PatchContext.of(PatchType.JSON_MERGE),
                            "{\"metadata\":{\"%s\":{\"%s\":%s}}}".formatted(field, key, json));
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                LOG.warnf("worker %s cannot be marked: %s", worker, e.getMessage());
            }
        }
    }

    @Override
    public String lastWords(String pool, String worker) {
        return lastWords.get(worker);
    }

    /** The pod of a worker: the operator's own, with the pool's template laid over it. */
    Pod pod(WorkerLaunch launch) throws WorkerStartException {
        GPUPoolSpec.Runtime runtime = launch.spec().runtime();
        if (runtime.gpusPerPod() > 1) {
            throw new WorkerStartException(
                    "spec.runtime.gpusPerPod is %d: pods of several workers are not supported yet; write 1"
                            .formatted(runtime.gpusPerPod()));
        }
        String image = image(launch.spec());
        if (image.isEmpty()) {
            throw new WorkerStartException(
                    "spec.runtime.image: the pool names no image and the operator has no default; write one");
        }
        PodTemplateSpec template =
                runtime.podTemplate() == null ? new PodTemplateSpec() : runtime.podTemplate();
        Map<String, String> labels = new LinkedHashMap<>();
        Map<String, String> annotations = new LinkedHashMap<>();
        if (template.getMetadata() != null) {
            labels.putAll(Optional.ofNullable(template.getMetadata().getLabels()).orElse(Map.of()));
            annotations.putAll(
                    Optional.ofNullable(template.getMetadata().getAnnotations()).orElse(Map.of()));
        }
        // What the operator and the chart's policies go by is not the template's to change.
        labels.put("app.kubernetes.io/name", "reelfleet");
        labels.put("app.kubernetes.io/instance", common.instance());
        labels.put("app.kubernetes.io/component", CONTAINER);
        labels.put(MANAGED_BY, OPERATOR);
        labels.put(POOL, launch.poolName());
        // Only so does a pod of any namespace get it without a further object there.
        common.authorityPem().get().ifPresent(pem -> annotations.put(AUTHORITY, pem));
        annotations.put(IMAGE, image);
        PodSpec spec = template.getSpec() == null ? new PodSpec() : template.getSpec();
        Container given =
                spec.getContainers().stream()
                        .filter(c -> CONTAINER.equals(c.getName()))
                        .findFirst()
                        .orElse(new Container());
        List<Container> containers = new ArrayList<>();
        containers.add(container(launch, runtime, spec, given, image));
        spec.getContainers().stream()
                .filter(c -> !CONTAINER.equals(c.getName()))
                .forEach(containers::add);
        PodBuilder pod =
                new PodBuilder()
                        .withNewMetadata()
                        .withName(launch.name())
                        .withNamespace(launch.namespace())
                        .withLabels(labels)
                        .withAnnotations(annotations)
                        .endMetadata()
                        .withSpec(spec)
                        .editSpec()
                        .withContainers(containers)
                        .withVolumes(volumes(spec))
                        .withRestartPolicy("Never")
                        .withAutomountServiceAccountToken(false)
                        .endSpec();
        if (launch.poolUid() != null) {
            pod.editMetadata()
                    .addNewOwnerReference()
                    .withApiVersion("reelfleet.io/v1alpha1")
                    .withKind("GPUPool")
                    .withName(launch.poolName())
                    .withUid(launch.poolUid())
                    .withController(true)
                    .endOwnerReference()
                    .endMetadata();
        }
        if (spec.getSecurityContext() == null) {
            pod.editSpec()
                    .withNewSecurityContext()
                    .withRunAsNonRoot(true)
                    .withRunAsUser(NON_ROOT)
                    .withRunAsGroup(NON_ROOT)
                    .withFsGroup(NON_ROOT)
                    .withNewSeccompProfile()
                    .withType("RuntimeDefault")
                    .endSeccompProfile()
                    .endSecurityContext()
                    .endSpec();
        }
        if (spec.getServiceAccountName() == null) {
            // Named also when it is the default one: a pod that mounts a token of its account must
            // say which.
            pod.editSpec()
                    .withServiceAccountName(common.serviceAccount().orElse("default"))
                    .endSpec();
        }
        pod.editSpec().withTerminationGracePeriodSeconds(graceSeconds(launch, spec)).endSpec();
        if (spec.getImagePullSecrets() == null || spec.getImagePullSecrets().isEmpty()) {
            pod.editSpec()
                    .withImagePullSecrets(
                            common.pullSecrets().stream().map(LocalObjectReference::new).toList())
                    .endSpec();
        }
        return pod.build();
    }

    /** The pool's own figure, else the one that follows from its sessions. */
    private static long graceSeconds(WorkerLaunch launch, PodSpec spec) {
        Long own = spec.getTerminationGracePeriodSeconds();
        String follows = launch.settings().get(GRACE);
        return own != null
                ? own
                : follows == null ? USUAL_GRACE_SECONDS : Durations.parse(follows).toSeconds();
    }

    private Container container(
            WorkerLaunch launch,
            GPUPoolSpec.Runtime runtime,
            PodSpec spec,
            Container given,
            String image) {
        List<EnvVar> env = new ArrayList<>();
        Map<String, String> settings = new LinkedHashMap<>(launch.settings());
        settings.put(GRACE, graceSeconds(launch, spec) + "s");
        settings.forEach((key, value) -> env.add(variable(key, value)));
        common.environment().forEach((key, value) -> env.add(variable(key, value)));
        env.add(variable("reelfleet.listen-host", "0.0.0.0"));
        env.add(
                new EnvVarBuilder()
                        .withName("REELFLEET_WORKER_ADVERTISE")
                        .withNewValueFrom()
                        .withNewFieldRef()
                        .withFieldPath("status.podIP")
                        .endFieldRef()
                        .endValueFrom()
                        .build());
        env.add(
                variable(
                        "omp.num-threads",
                        launch.settings().getOrDefault("reelfleet.worker.threads", "1")));
        env.add(variable("omp.wait-policy", "passive"));
        if (common.trustEndpoint().isPresent()) {
            env.add(variable("reelfleet.tls.dir", "/tls"));
            env.add(variable("reelfleet.trust.endpoint", common.trustEndpoint().get()));
            env.add(variable("reelfleet.trust.token-file", "/var/run/reelfleet/token"));
            env.add(variable("reelfleet.trust.authority-file", "/var/run/reelfleet/ca.crt"));
        } else {
            env.add(variable("reelfleet.insecure", "true"));
        }
        // The template's variables win: the kubelet takes the last of a name.
        env.addAll(given.getEnv());
        List<VolumeMount> mounts = new ArrayList<>();
        mounts.add(mount("tmp", "/tmp", false));
        mounts.add(mount("tls", "/tls", false));
        mounts.add(mount("token", "/var/run/reelfleet", true));
        common.storeClaim().ifPresent(claim -> mounts.add(mount("store", "/store", false)));
        given.getVolumeMounts().stream()
                .filter(
                        m ->
                                mounts.stream()
                                        .noneMatch(
                                                own -> own.getMountPath().equals(m.getMountPath())))
                .forEach(mounts::add);
        ContainerBuilder container =
                new ContainerBuilder(given)
                        .withName(CONTAINER)
                        .withImage(image)
                        .withImagePullPolicy(
                                given.getImagePullPolicy() == null
                                        ? common.pullPolicy()
                                        : given.getImagePullPolicy())
                        .withEnv(env)
                        .withVolumeMounts(mounts)
                        .withTerminationMessagePolicy("FallbackToLogsOnError");
        if (given.getPorts().isEmpty()) {
            container
                    .addNewPort()
                    .withName("grpc")
                    .withContainerPort(PORT)
                    .endPort()
                    .addNewPort()
                    .withName("management")
                    .withContainerPort(MANAGEMENT_PORT)
                    .endPort();
        }
        if (given.getSecurityContext() == null) {
            container
                    .withNewSecurityContext()
                    .withAllowPrivilegeEscalation(false)
                    .withReadOnlyRootFilesystem(true)
                    .withNewCapabilities()
                    .withDrop("ALL")
                    .endCapabilities()
                    .endSecurityContext();
        }
        if (common.storeSecret().isPresent()) {
            container
                    .addNewEnvFrom()
                    .withNewSecretRef()
                    .withName(common.storeSecret().get())
                    .endSecretRef()
                    .endEnvFrom();
        }
        if (given.getResources() == null) {
            Map<String, Quantity> requests = new LinkedHashMap<>();
            Map<String, Quantity> limits = new LinkedHashMap<>();
            if (runtime.resources() != null) {
                requests.putAll(runtime.resources().requests());
                limits.putAll(runtime.resources().limits());
            }
            if (runtime.device() == GPUPoolSpec.Device.CUDA) {
                limits.putIfAbsent("nvidia.com/gpu", new Quantity("1"));
            }
            container.withNewResources().withRequests(requests).withLimits(limits).endResources();
        }
        if (given.getReadinessProbe() == null) {
            container
                    .withNewReadinessProbe()
                    .withPeriodSeconds(5)
                    // A worker whose cores are all busy is not unhealthy, and evictions go by this.
                    .withTimeoutSeconds(5)
                    .withNewHttpGet()
                    .withPath("/q/health/ready")
                    .withNewPort(MANAGEMENT_PORT)
                    .endHttpGet()
                    .endReadinessProbe();
        }
        return container.build();
    }

    /** {@code reelfleet.worker.name} as the environment spells it. */
    private static EnvVar variable(String key, String value) {
        return new EnvVar(key.toUpperCase(Locale.ROOT).replaceAll("[^A-Z0-9]", "_"), value, null);
    }

    private static VolumeMount mount(String name, String path, boolean readOnly) {
        return new VolumeMountBuilder()
                .withName(name)
                .withMountPath(path)
                .withReadOnly(readOnly ? Boolean.TRUE : null)
                .build();
    }

    private List<Volume> volumes(PodSpec spec) {
        List<Volume> volumes = new ArrayList<>();
        volumes.add(new VolumeBuilder().withName("tmp").withNewEmptyDir().endEmptyDir().build());
        volumes.add(
                new VolumeBuilder()
                        .withName("tls")
                        .withNewEmptyDir()
                        .withMedium("Memory")
                        .endEmptyDir()
                        .build());
        volumes.add(
                new VolumeBuilder()
                        .withName("token")
                        .withNewProjected()
                        .addNewSource()
                        .withNewServiceAccountToken()
                        .withAudience("reelfleet")
                        .withExpirationSeconds(3600L)
                        .withPath("token")
                        .endServiceAccountToken()
                        .endSource()
                        .addNewSource()
                        .withNewDownwardAPI()
                        .addNewItem()
                        .withPath("ca.crt")
                        .withNewFieldRef()
                        .withFieldPath("metadata.annotations['" + AUTHORITY + "']")
                        .endFieldRef()
                        .endItem()
                        .endDownwardAPI()
                        .endSource()
                        .endProjected()
                        .build());
        common.storeClaim()
                .ifPresent(
                        claim ->
                                volumes.add(
                                        new VolumeBuilder()
                                                .withName("store")
                                                .withNewPersistentVolumeClaim()
                                                .withClaimName(claim)
                                                .endPersistentVolumeClaim()
                                                .build()));
        spec.getVolumes().stream()
                .filter(v -> volumes.stream().noneMatch(own -> own.getName().equals(v.getName())))
                .forEach(volumes::add);
        return volumes;
    }

    @Override
    public void close() {
        informers.forEach(SharedIndexInformer::close);
        nodes.ifPresent(Nodes::close);
    }
}
