package io.reelfleet.operator;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.MoveView;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionView;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** The pools' figures as metrics, tagged by pool and never by session or worker. */
@ApplicationScoped
public class FleetMetrics {
    private static final long LOOK_SECONDS = 2;

    @Inject MeterRegistry registry;

    private final Set<String> known = new HashSet<>();

    /** By pool: its moves that were counted and are still in its view. */
    private final Map<String, Set<String>> counted = new HashMap<>();

    /** Registers meters for every pool that appears. */
    void follow(Fleets fleets, ScheduledExecutorService timer) {
        timer.scheduleWithFixedDelay(
                () -> {
                    for (String pool : fleets.names()) {
                        if (known.add(pool)) {
                            register(fleets, pool);
                        }
                        fleets.pool(pool).ifPresent(view -> moves(pool, view));
                    }
                },
                0,
                LOOK_SECONDS,
                TimeUnit.SECONDS);
    }

    /** Counts each move once, when all is known of it that will be. */
    private void moves(String pool, PoolView view) {
        for (MoveView move : view.moves()) {
            boolean whole =
                    move.result() != null
                            && (move.measured()
                                    || move.result() != MoveView.Result.MOVED
                                    || move.road() == MoveView.Road.LOG);
            if (!whole || !counted.computeIfAbsent(pool, _ -> new HashSet<>()).add(move.id())) {
                continue;
            }
            registry.counter(
                            "reelfleet.moves",
                            "pool",
                            pool,
                            "road",
                            move.road().title(),
                            "result",
                            move.result().title())
                    .increment();
            if (move.measured()) {
                histogram(
                        "reelfleet.move.pause",
                        "A session stood still while it moved",
                        pool,
                        move.stoodStillSeconds());
                histogram(
                        "reelfleet.move.duration",
                        "A move from its first byte to its end",
                        pool,
                        move.seconds());
            }
        }
        Set<String> seen = counted.get(pool);
        if (seen != null) {
            seen.retainAll(view.moves().stream().map(MoveView::id).collect(Collectors.toSet()));
        }
    }

    private void histogram(String name, String what, String pool, double seconds) {
        Timer.builder(name)
                .description(what)
                .tag("pool", pool)
                .serviceLevelObjectives(
                        Duration.ofMillis(10),
                        Duration.ofMillis(25),
                        Duration.ofMillis(50),
                        Duration.ofMillis(100),
                        Duration.ofMillis(250),
                        Duration.ofMillis(500),
                        Duration.ofSeconds(1),
                        Duration.ofSeconds(2),
                        Duration.ofSeconds(5))
                .register(registry)
                .record(Duration.ofNanos((long) (seconds * 1e9)));
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
