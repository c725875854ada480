package io.reelfleet.operator.stub;

import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.io.UncheckedIOException;
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

    private final KubernetesClient client;
    private final Map<String, StubWorker> workers = new ConcurrentHashMap<>();
    private final ExecutorService work = Executors.newSingleThreadExecutor();
    private final SharedIndexInformer<Pod> informer;

    /** Follows all worker pods. */
    public TestKubelet(KubernetesClient client) {
        this.client = client;
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
            workers.put(name, new StubWorker(name, ip, PORT));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try {
            client.resource(pod)
                    .editStatus(
                            p -> {
                                p.setStatus(
                                        new PodStatusBuilder()
                                                .withPhase("Running")
                                                .withPodIP(ip)
                                                .build());
                                return p;
                            });
        } catch (KubernetesClientException e) {
            // It was deleted meanwhile.
        }
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
