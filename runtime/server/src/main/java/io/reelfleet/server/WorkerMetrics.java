package io.reelfleet.server;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.server.session.SessionLoop;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** What this worker tells Prometheus; never by session. */
@Singleton
class WorkerMetrics {
    private final MeterRegistry registry;
    private final Counter chunks;
    private final Counter late;
    private final Counter storeFailures;
    private final Timer latency;
    private final Timer generation;
    private final DistributionSummary mediaBytes;

    WorkerMetrics(MeterRegistry registry) {
        this.registry = registry;
        chunks =
                Counter.builder("reelfleet.chunks")
                        .description("Chunks whose entry is stored")
                        .register(registry);
        late =
                Counter.builder("reelfleet.chunks.late")
                        .description("Of those, the ones above the latency target")
                        .register(registry);
        storeFailures =
                Counter.builder("reelfleet.store.failures")
                        .description(
                                "Appends that the chunk store refused and that were tried again")
                        .register(registry);
        latency =
                Timer.builder("reelfleet.chunk.latency")
                        .description("From when a chunk is due until its entry is stored")
                        .serviceLevelObjectives(
                                Duration.ofMillis(50),
                                Duration.ofMillis(100),
                                Duration.ofMillis(200),
                                Duration.ofMillis(350),
                                Duration.ofMillis(500),
                                Duration.ofMillis(750),
                                Duration.ofSeconds(1),
                                Duration.ofSeconds(2),
                                Duration.ofSeconds(5))
                        .register(registry);
        generation =
                Timer.builder("reelfleet.chunk.generation")
                        .description("Transformer, decode and encode of a chunk")
                        .register(registry);
        mediaBytes =
                DistributionSummary.builder("reelfleet.chunk.media")
                        .description("Size of a chunk's media fragment")
                        .baseUnit("bytes")
                        .register(registry);
    }

    void observe(SessionLoop loop) {
        for (SessionState state :
                new SessionState[] {
                    SessionState.SESSION_STATE_LOADING,
                    SessionState.SESSION_STATE_RUNNING,
                    SessionState.SESSION_STATE_SUSPENDED
                }) {
            String name =
                    state.name()
                            .substring("SESSION_STATE_".length())
                            .toLowerCase(java.util.Locale.ROOT);
            Gauge.builder(
                            "reelfleet.sessions",
                            loop,
                            l -> l.sessions().stream().filter(s -> s.getState() == state).count())
                    .tag("state", name)
                    .description("Sessions on this worker")
                    .register(registry);
        }
        Gauge.builder("reelfleet.memory.device", loop, l -> l.memory().deviceUsed())
                .baseUnit("bytes")
                .description("Session state and weights on the device")
                .register(registry);
        Gauge.builder("reelfleet.memory.host", loop, l -> l.memory().hostUsed())
                .baseUnit("bytes")
                .description("Suspended sessions' state in host memory")
                .register(registry);
    }

    void chunkStored(ChunkStat stat) {
        chunks.increment();
        if (stat.getLate()) {
            late.increment();
        }
        latency.record((long) (stat.getLatencyS() * 1e9), TimeUnit.NANOSECONDS);
        generation.record((long) (stat.getGenerateS() * 1e9), TimeUnit.NANOSECONDS);
        mediaBytes.record(stat.getMediaBytes());
    }

    /** The first chunk under a control that was sent live can be seen. */
    void controlVisible(String kind, double seconds) {
        Timer.builder("reelfleet.control.latency")
                .description(
                        "From when a control is received until the first chunk under it is stored")
                .tag("kind", kind)
                .serviceLevelObjectives(
                        Duration.ofMillis(100),
                        Duration.ofMillis(250),
                        Duration.ofMillis(500),
                        Duration.ofMillis(750),
                        Duration.ofSeconds(1),
                        Duration.ofMillis(1500),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(3),
                        Duration.ofSeconds(5),
                        Duration.ofSeconds(10))
                .register(registry)
                .record((long) (seconds * 1e9), TimeUnit.NANOSECONDS);
    }

    void storeFailed() {
        storeFailures.increment();
    }
}
