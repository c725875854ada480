package io.reelfleet.operator.workers;

import static io.reelfleet.operator.stub.Eventually.eventually;
import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** What the fleet loop relies on, whatever workers are made of. */
abstract class WorkerProviderContract {
    static final Duration SOON = Duration.ofSeconds(30);
    static final String POOL = "default/demo";

    /** The provider as a fresh operator would make it: it remembers nothing. */
    abstract WorkerProvider provider() throws Exception;

    /** Ends a worker as a crash would. */
    abstract void crash(String worker) throws Exception;

    final WorkerLaunch launch(String name) {
        GPUPool pool =
                (GPUPool)
                        Documents.read(
                                        """
                                        apiVersion: reelfleet.io/v1alpha1
                                        kind: GPUPool
                                        metadata: {name: demo, namespace: default}
                                        spec:
                                          model: {name: stub, uri: "builtin:shapes"}
                                          runtime: {device: Cpu, image: "example/worker:1"}
                                          scaling: {minGpus: 1, maxGpus: 3}
                                        """)
                                .getFirst();
        return new WorkerLaunch(
                name,
                POOL,
                poolUid(),
                Map.of(
                        "reelfleet.worker.name",
                        name,
                        "reelfleet.worker.pool",
                        POOL,
                        "reelfleet.model.uri",
                        "builtin:shapes"),
                pool.getSpec());
    }

    String poolUid() {
        return null;
    }

    private static List<String> names(WorkerProvider provider) {
        return provider.list(POOL).stream().map(ProvidedWorker::name).toList();
    }

    private static Optional<String> endpoint(WorkerProvider provider, String name) {
        return provider.list(POOL).stream()
                .filter(w -> w.name().equals(name))
                .map(ProvidedWorker::endpoint)
                .filter(e -> e != null)
                .findFirst();
    }

    @Test
    void aStartedWorkerIsListedThenReachableThenReports() throws Exception {
        WorkerProvider provider = provider();
        provider.start(launch("demo-aaaaa"));
        assertThat(names(provider)).contains("demo-aaaaa");
        eventually(SOON, () -> assertThat(endpoint(provider, "demo-aaaaa")).isPresent());

        BlockingQueue<WorkerReport> reports = new LinkedBlockingQueue<>();
        ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
        Function<String, ManagedChannel> channels = new WorkerChannels(Optional.empty())::open;
        WorkerLink link =
                GrpcWorkerLink.dialer(channels, "test", timer)
                        .dial(
                                endpoint(provider, "demo-aaaaa").orElseThrow(),
                                1,
                                reports::add,
                                () -> {});
        try {
            WorkerReport report = reports.poll(SOON.toSeconds(), TimeUnit.SECONDS);
            assertThat(report).isNotNull();
            assertThat(report.getHello().getWorker()).isEqualTo("demo-aaaaa");
        } finally {
            link.close();
            timer.shutdownNow();
            provider.stop(POOL, "demo-aaaaa");
        }
    }

    @Test
    void startAndStopMayBeRepeated() throws Exception {
        WorkerProvider provider = provider();
        provider.start(launch("demo-bbbbb"));
        provider.start(launch("demo-bbbbb"));
        assertThat(names(provider)).containsOnlyOnce("demo-bbbbb");

        provider.stop(POOL, "demo-bbbbb");
        provider.stop(POOL, "demo-bbbbb");
        eventually(SOON, () -> assertThat(names(provider)).doesNotContain("demo-bbbbb"));
    }

    @Test
    void aCrashedWorkerIsListedNoLonger() throws Exception {
        WorkerProvider provider = provider();
        provider.start(launch("demo-ccccc"));
        eventually(SOON, () -> assertThat(endpoint(provider, "demo-ccccc")).isPresent());
        crash("demo-ccccc");
        eventually(SOON, () -> assertThat(names(provider)).doesNotContain("demo-ccccc"));
    }

    @Test
    void anotherOperatorFindsTheWorkersOfTheFirst() throws Exception {
        WorkerProvider first = provider();
        first.start(launch("demo-ddddd"));
        eventually(SOON, () -> assertThat(endpoint(first, "demo-ddddd")).isPresent());

        WorkerProvider second = provider();
        eventually(
                SOON,
                () ->
                        assertThat(endpoint(second, "demo-ddddd"))
                                .isEqualTo(endpoint(first, "demo-ddddd")));
        assertThat(second.list("default/other")).isEmpty();
        second.stop(POOL, "demo-ddddd");
        eventually(SOON, () -> assertThat(names(first)).doesNotContain("demo-ddddd"));
    }
}
