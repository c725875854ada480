package io.reelfleet.server;

import io.quarkus.runtime.ShutdownEvent;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.Hello;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.SessionState;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.Retention;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.StoreProbe;
import io.reelfleet.migration.StoreUnsafeException;
import io.reelfleet.process.MonotonicClock;
import io.reelfleet.process.StartupProblem;
import io.reelfleet.server.session.EngineGenerators;
import io.reelfleet.server.session.Generators;
import io.reelfleet.server.session.LoopListener;
import io.reelfleet.server.session.LoopSettings;
import io.reelfleet.server.session.MoveSettings;
import io.reelfleet.server.session.PaceSettings;
import io.reelfleet.server.session.SessionLoop;
import jakarta.enterprise.event.Observes;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** This process's session loop, from when it listens until it is told to stop. */
@Singleton
class Worker implements LoopListener {
    private static final Logger LOG = LoggerFactory.getLogger(Worker.class);

    private final Clock clock = new MonotonicClock();
    private final ReportStream reports;
    private final WorkerMetrics metrics;
    private final String build;
    private volatile WorkerSettings settings;
    private volatile ChunkStore store;
    private volatile SessionLoop loop;
    private volatile Thread sweeping;
    private volatile Retention retention;

    Worker(
            ReportStream reports,
            WorkerMetrics metrics,
            @ConfigProperty(name = "quarkus.application.version", defaultValue = "dev")
                    String build) {
        this.reports = reports;
        this.metrics = metrics;
        this.build = build;
    }

    /** Opens the store and begins to load the model; commands are answered from now on. */
    void start(WorkerSettings current, String endpoint) {
        settings = current;
        // Both are read before anything is loaded, so that a wrong one stops the start.
        current.device();
        current.precision();
        try {
            store = ChunkStores.open(current.store());
        } catch (StoreException e) {
            throw new StartupProblem(e.getMessage(), e);
        }
        loop =
                new SessionLoop(
                        new LoopSettings(
                                current.name(),
                                endpoint,
                                current.latencyTarget(),
                                current.idleTimeout(),
                                new PaceSettings(current.viewerBuffer(), current.viewerTimeout()),
                                current.liveChunks(),
                                current.images()),
                        MoveSettings.on(current.advertise()),
                        store,
                        this::load,
                        clock,
                        this);
        metrics.observe(loop);
        reports.serve(loop, this::hello, this::unended);
        loop.start();
        current.retention()
                .ifPresent(
                        after -> {
                            retention =
                                    new Retention(
                                            store,
                                            current.pool(),
                                            current.name(),
                                            after,
                                            current.retentionEvery(),
                                            clock);
                            sweeping = Thread.ofVirtual().name("retention").start(retention::run);
                        });
    }

    /** Logs that somebody has to say about whether they are wanted. */
    List<Retention.Unended> unended() {
        Retention current = retention;
        return current == null ? List.of() : current.unended();
    }

    /** What is kept of sessions from now on; what is absent stays as it is. */
    void keep(Optional<Duration> afterFinished, OptionalLong liveChunks) {
        Retention current = retention;
        if (current != null) {
            afterFinished.ifPresent(current::keepFor);
        }
        liveChunks.ifPresent(loop::keepLive);
    }

    /** Ends logs that nobody wants any more, in its own time. */
    void abandon(List<Retention.Unended> logs) {
        Retention current = retention;
        if (current == null || logs.isEmpty()) {
            return;
        }
        Thread.ofVirtual()
                .name("abandon")
                .start(
                        () -> {
                            for (Retention.Unended log : logs) {
                                try {
                                    current.abandon(log);
                                } catch (StoreException e) {
                                    // It is found, and asked about, again.
                                    LOG.warn("session {}: {}", log.uid(), e.getMessage());
                                }
                            }
                        });
    }

    /** The loop, or nothing while the worker is not started. */
    SessionLoop loop() {
        return loop;
    }

    ChunkStore store() {
        return store;
    }

    void stop(@Observes ShutdownEvent event) throws InterruptedException {
        if (sweeping != null) {
            sweeping.interrupt();
        }
        if (loop != null) {
            loop.stop();
            reports.close();
            store.close();
        }
    }

    @Override
    public void changed() {
        reports.wake();
    }

    @Override
    public void chunkStored(ChunkStat stat) {
        metrics.chunkStored(stat);
        reports.add(stat);
    }

    @Override
    public void controlVisible(String kind, double seconds) {
        metrics.controlVisible(kind, seconds);
    }

    @Override
    public void storeFailed(String sessionUid, String reason) {
        metrics.storeFailed();
    }

    private Generators load() throws ModelException {
        probeStore();
        long started = System.nanoTime();
        ModelFolder folder = ModelFolder.resolve(settings.modelUri(), settings.modelCache());
        Engine engine =
                Engine.load(
                        folder,
                        new EngineOptions(
                                settings.threads(),
                                settings.deviceMemory(),
                                settings.hostMemory(),
                                settings.overrides(),
                                spillFolder(),
                                settings.device(),
                                settings.precision()));
        String revision = engine.model().revision();
        if (settings.modelRevision().isPresent()
                && !settings.modelRevision().get().equals(revision)) {
            engine.close();
            throw new ModelException(
                    "reelfleet.model.revision is %s, but the folder %s has %s: write that revision or mount the model that belongs to it"
                            .formatted(
                                    settings.modelRevision().get(), settings.modelUri(), revision));
        }
        LOG.info("model loaded in {} ms", (System.nanoTime() - started) / 1_000_000);
        EngineGenerators generators =
                new EngineGenerators(
                        engine,
                        settings.batch() > 0 ? settings.batch() : engine.batchCap().sessions(),
                        settings.decodesBeside());
        if (settings.spillFolder().isPresent()) {
            // Measured now, so that the first state that host memory has no room for need not wait.
            engine.offloadCosts();
        }
        return generators;
    }

    private Path spillFolder() throws ModelException {
        Path folder = settings.spillFolder().orElse(null);
        try {
            return folder == null ? null : Files.createDirectories(folder);
        } catch (IOException e) {
            throw new ModelException(
                    "reelfleet.worker.spill-dir %s cannot be written: %s"
                            .formatted(folder, e.getMessage()),
                    e);
        }
    }

    /** A store that cannot be reached may come back; one that is unsafe stays so. */
    private void probeStore() throws ModelException {
        while (true) {
            try {
                StoreProbe.check(store);
                return;
            } catch (StoreUnsafeException e) {
                throw new ModelException("StoreUnsafe: " + e.getMessage(), e);
            } catch (StoreException e) {
                LOG.warn("waiting for the chunk store: {}", e.getMessage());
                loop.waiting(e.getMessage());
                try {
                    Thread.sleep(1000);
                } catch (InterruptedException interrupted) {
                    throw new ModelException("stopped while waiting for the chunk store", e);
                }
            }
        }
    }

    private Hello hello() {
        Hello.Builder hello =
                Hello.newBuilder()
                        .setWorker(settings.name())
                        .setPool(settings.pool())
                        .setProtocolVersion(MoveSettings.PROTOCOL_VERSION)
                        .setStateVersion(SessionState.VERSION)
                        .setBuild(build)
                        .setDevice(GpuType.of(settings.device()))
                        .setDeviceBytesLimit(settings.deviceMemory())
                        .setHostBytesLimit(settings.hostMemory())
                        .setThreads(settings.threads());
        loop.model().ifPresent(model -> describe(hello, model));
        return hello.build();
    }

    private static void describe(Hello.Builder hello, ModelDescription model) {
        hello.setModel(model.name())
                .setModelRevision(model.revision())
                .setSessionBytes(model.sessionBytes())
                .setChunkIntervalS(model.chunkIntervalSeconds())
                .addAllControls(model.controls());
    }
}
