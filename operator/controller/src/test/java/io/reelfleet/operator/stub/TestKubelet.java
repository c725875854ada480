package io.reelfleet.operator.stub;

import io.fabric8.kubernetes.api.model.BindingBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.grpc.InsecureServerCredentials;
import io.grpc.ServerCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Plays the kubelet: each worker pod gets a stub worker on a loopback address of its own, and goes
 * when it is deleted.
 */
public final class TestKubelet implements AutoCloseable {
    private static final int PORT = 9090;
    private static final AtomicInteger ADDRESS =
            new AtomicInteger((int) (ProcessHandle.current().pid() % 200) << 8);

    /** What a worker serves with, once its pod has an address. */
    @FunctionalInterface
    public interface Certifier {
        /** Asks whoever certifies pods. */
        ServerCredentials credentials(Pod pod) throws IOException, InterruptedException;
    }

    private final KubernetesClient client;
    private final Certifier certifier;
    private final Map<String, StubWorker> workers = new ConcurrentHashMap<>();
    private final ExecutorService work = Executors.newSingleThreadExecutor();
    private final SharedIndexInformer<Pod> informer;
    private volatile String complaint;
    private volatile String node;

    /** Follows all worker pods; they talk in clear text. */
    public TestKubelet(KubernetesClient client) {
        this(client, pod -> InsecureServerCredentials.create());
    }

    /** Follows all worker pods. */
    public TestKubelet(KubernetesClient client, Certifier certifier) {
        this.client = client;
        this.certifier = certifier;
        this.informer =
                client.pods()
                        .inAnyNamespace()
                        .withLabel("app.kubernetes.io/component", "worker")
                        .inform(
                                new ResourceEventHandler<>() {
                                    @Override
                                    public void onAdd(Pod pod) {
                                        work.execute(() -> run(pod));
                                    }

                                    @Override
                                    public void onUpdate(Pod before, Pod pod) {
                                        if (pod.getMetadata().getDeletionTimestamp() != null) {
                                            work.execute(() -> end(pod));
                                        }
                                    }

                                    @Override
                                    public void onDelete(Pod pod, boolean unknown) {
                                        work.execute(() -> end(pod));
                                    }
                                });
    }

    private void run(Pod pod) {
        String name = pod.getMetadata().getName();
        if (workers.containsKey(name) || pod.getMetadata().getDeletionTimestamp() != null) {
            return;
        }
        int n = ADDRESS.incrementAndGet();
        String ip = "127.7.%d.%d".formatted((n >> 8) & 0xff, 1 + (n & 0x7f));
        try {
            if (node != null) {
                bind(pod, node);
            }
            show(pod, "Pending", ip);
            StubWorker worker = new StubWorker(name, ip, PORT, certifier.credentials(pod));
            String words = complaint;
            if (words != null) {
                worker.fail(words);
            }
            workers.put(name, worker);
            show(pod, "Running", ip);
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
            // It was deleted meanwhile.
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** As the scheduler does it. */
    private void bind(Pod pod, String to) {
        client.bindings()
                .inNamespace(pod.getMetadata().getNamespace())
                .resource(
                        new BindingBuilder()
                                .withNewMetadata()
                                .withName(pod.getMetadata().getName())
                                .endMetadata()
                                .withNewTarget()
                                .withApiVersion("v1")
                                .withKind("Node")
                                .withName(to)
                                .endTarget()
                                .build())
                .create();
    }

    /** Pods from now on run on this node; null: on none that is known. */
    public void schedule(String on) {
        node = on;
    }

    private void show(Pod pod, String phase, String ip) {
        client.pods()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(pod.getMetadata().getName())
                .editStatus(
                        p -> {
                            p.setStatus(
                                    new PodStatusBuilder().withPhase(phase).withPodIP(ip).build());
                            return p;
                        });
    }

    private void end(Pod pod) {
        StubWorker worker = workers.remove(pod.getMetadata().getName());
        if (worker != null) {
            worker.close();
        }
        try {
            client.resource(pod).withGracePeriod(0).delete();
        } catch (KubernetesClientException e) {
            // It is gone already.
        }
    }

    /** Workers that start from now on say that they cannot work, and why; null: they can. */
    public void complain(String sentence) {
        complaint = sentence;
    }

    /** The worker of a pod. */
    public StubWorker worker(String pod) {
        return workers.get(pod);
    }

    /** Workers that run. */
    public Map<String, StubWorker> workers() {
        return Map.copyOf(workers);
    }

    /** The worker's process dies. */
    public void crash(String pod, String words) {
        workers.remove(pod).close();
        client.pods()
                .inNamespace("default")
                .withName(pod)
                .editStatus(
                        p -> {
                            p.setStatus(
                                    new PodStatusBuilder(p.getStatus())
                                            .withPhase("Failed")
                                            .withContainerStatuses(
                                                    new ContainerStatusBuilder()
                                                            .withName("worker")
                                                            .withImage("example/worker:1")
                                                            .withImageID("")
                                                            .withReady(false)
                                                            .withRestartCount(0)
                                                            .withNewState()
                                                            .withNewTerminated()
                                                            .withExitCode(1)
                                                            .withMessage(words)
                                                            .endTerminated()
                                                            .endState()
                                                            .build())
                                            .build());
                            return p;
                        });
    }

    @Override
    public void close() {
        informer.close();
        work.shutdownNow();
        workers.values().forEach(StubWorker::close);
    }
}
