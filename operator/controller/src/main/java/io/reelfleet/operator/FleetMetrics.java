package io.reelfleet.operator;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.GpuView;
import io.reelfleet.operator.fleet.MoveView;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionView;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import java.util.stream.LongStream;

/** The pools' figures as metrics, tagged by pool and never by session or worker. */
@ApplicationScoped
public class FleetMetrics {
    private static final long LOOK_SECONDS = 2;
    private static final Duration[] MOVE_BUCKETS =
            LongStream.of(5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000)
                    .mapToObj(Duration::ofMillis)
                    .toArray(Duration[]::new);

    @Inject MeterRegistry registry;

    private final Set<String> known = new HashSet<>();

    /** Registers meters for every pool that appears. */
    void follow(Fleets fleets, ScheduledExecutorService timer) {
        timer.scheduleWithFixedDelay(
                () ->
                        fleets.views()
                                .forEach(
                                        view -> {
                                            String pool = view.pool().name();
                                            if (known.add(pool)) {
                                                register(fleets, pool);
                                            }
                                            view.gpus().stream()
                                                    .map(GpuView::name)
                                                    .filter(gpu -> known.add(pool + " " + gpu))
                                                    .forEach(gpu -> registerGpu(fleets, pool, gpu));
                                        }),
                0,
                LOOK_SECONDS,
                TimeUnit.SECONDS);
    }

    /** A move has ended: its wait and its length, and one more of its kind. */
    void moved(String pool, MoveView move) {
        Counter.builder("reelfleet.moves")
                .description("Attempts to move a session that have ended")
                .tag("pool", pool)
                .tag("transport", move.transport().title())
                .tag("outcome", move.outcome().title())
                .register(registry)
                .increment();
        if (move.figures() != null && move.outcome() == MoveView.Outcome.MOVED) {
            record(
                    pool,
                    "reelfleet.move.pause",
                    "How long a session stood still while it moved",
                    move.figures().stoodStillS());
            record(
                    pool,
                    "reelfleet.move.duration",
                    "From the start of a session's transfer until its source was rid of it",
                    move.figures().seconds());
        }
    }

    private void record(String pool, String name, String what, double seconds) {
        Timer.builder(name)
                .description(what)
                .tag("pool", pool)
                .serviceLevelObjectives(MOVE_BUCKETS)
                .register(registry)
                .record(Duration.ofNanos(Math.round(seconds * 1e9)));
    }

    private void registerGpu(Fleets fleets, String pool, String gpu) {
        Gauge.builder("reelfleet.worker.capacity", fleets, f -> of(f, pool, v -> capacity(v, gpu)))
                .description("Ordinary sessions that a worker is given at most, by type of GPU")
                .tag("pool", pool)
                .tag("gpu", gpu)
                .register(registry);
    }

    private static double capacity(PoolView view, String gpu) {
        return view.gpus().stream()
                .filter(g -> g.name().equals(gpu))
                .mapToInt(GpuView::capacity)
                .findFirst()
                .orElse(0);
    }

    private void register(Fleets fleets, String pool) {
        gauge(
                fleets,
                pool,
                "reelfleet.workers.ready",
                "Workers that take sessions",
                PoolView::workersReady);
        gauge(
                fleets,
                pool,
                "reelfleet.workers.wanted",
                "Workers that the policy wants",
                PoolView::workersWanted);
        gauge(
                fleets,
                pool,
                "reelfleet.budget.workers",
                "Most workers that a budget shared with other pools leaves it now; -1 without one",
                PoolView::budgetWorkers);
        gauge(
                fleets,
                pool,
                "reelfleet.shadow.workers.wanted",
                "Workers that the shadow policy wants; -1 without one",
                PoolView::shadowWanted);
        counter(
                fleets,
                pool,
                "reelfleet.shadow.decisions.different",
                "Decisions of which the shadow policy would have made another plan",
                PoolView::shadowDiffers);
        for (SessionView.Phase phase : SessionView.Phase.values()) {
            Gauge.builder("reelfleet.sessions", fleets, f -> of(f, pool, v -> v.sessionsIn(phase)))
                    .description("Sessions by phase")
                    .tag("pool", pool)
                    .tag("phase", phase.title())
                    .register(registry);
        }
        gauge(
                fleets,
                pool,
                "reelfleet.chunk.latency.p50.seconds",
                "Over the last minute",
                v -> v.latency().p50());
        gauge(
                fleets,
                pool,
                "reelfleet.chunk.latency.p99.seconds",
                "Over the last minute",
                v -> v.latency().p99());
        gauge(
                fleets,
                pool,
                "reelfleet.chunk.latency.worst.seconds",
                "Over the last minute",
                v -> v.latency().worst());
        counter(
                fleets,
                pool,
                "reelfleet.chunks",
                "Chunks generated",
                v -> v.totals().chunksGenerated());
        counter(
                fleets,
                pool,
                "reelfleet.chunks.late",
                "Chunks later than the target",
                v -> v.totals().chunksLate());
        counter(
                fleets,
                pool,
                "reelfleet.sessions.waited.seconds",
                "Session-seconds that sessions waited for their turn beyond the latency target",
                v -> v.totals().waitedSeconds());
        counter(
                fleets,
                pool,
                "reelfleet.worker.seconds",
                "From request to release",
                v -> v.totals().workerSeconds());
        counter(
                fleets,
                pool,
                "reelfleet.suspends",
                "Sessions suspended",
                v -> v.totals().suspends());
        counter(fleets, pool, "reelfleet.resumes", "Sessions resumed", v -> v.totals().resumes());
        counter(
                fleets,
                pool,
                "reelfleet.migrations",
                "Sessions moved",
                v -> v.totals().migrations());
        counter(
                fleets,
                pool,
                "reelfleet.recoveries",
                "Sessions whose worker was lost",
                v -> v.totals().recoveries());
    }

    private void gauge(
            Fleets fleets,
            String pool,
            String name,
            String what,
            ToDoubleFunction<PoolView> value) {
        Gauge.builder(name, fleets, f -> of(f, pool, value))
                .description(what)
                .tag("pool", pool)
                .register(registry);
    }

    private void counter(
            Fleets fleets,
            String pool,
            String name,
            String what,
            ToDoubleFunction<PoolView> value) {
        FunctionCounter.builder(name, fleets, f -> of(f, pool, value))
                .description(what)
                .tag("pool", pool)
                .register(registry);
    }

    private static double of(Fleets fleets, String pool, ToDoubleFunction<PoolView> value) {
        return fleets.pool(pool).map(value::applyAsDouble).orElse(0.0);
    }
}
