package io.reelfleet.operator.kubernetes;

import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.GPUPoolStatus;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionView;
import io.reelfleet.operator.fleet.WorkerView;
import io.reelfleet.operator.workers.PodWorkers;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Clock;
import java.util.Comparator;
import java.util.List;

/** What a GPUPool's status should be. Conditions are made here and nowhere else. */
final class PoolStatus {
    private static final int WORST = 10;
    private static final BigDecimal SECONDS_PER_HOUR = BigDecimal.valueOf(3600);

    private PoolStatus() {}

    /**
     * @param hoursBefore GPU-hours that were used before this operator led
     */
    static GPUPoolStatus of(GPUPool pool, PoolView view, BigDecimal hoursBefore, Clock clock) {
        GPUPoolStatus before = pool.getStatus();
        Conditions conditions =
                new Conditions(
                        before == null ? List.of() : before.conditions(),
                        pool.getMetadata().getGeneration(),
                        clock);
        int ready = view.workersReady();
        int queued = view.sessionsIn(SessionView.Phase.QUEUED);
        PoolView.Problem problem = view.problem();
        if (view.rebuilding()) {
            conditions.add(
                    GPUPoolStatus.READY,
                    false,
                    "Rebuilding",
                    "a new leader waits for the workers' reports");
        } else if (ready >= view.workersWanted()) {
            conditions.add(
                    GPUPoolStatus.READY,
                    true,
                    "WorkersReady",
                    "%d of %d wanted workers take sessions".formatted(ready, view.workersWanted()));
        } else {
            conditions.add(
                    GPUPoolStatus.READY,
                    false,
                    problem == null ? "WorkersComing" : problem.reason(),
                    problem == null ? coming(view, ready) : problem.message());
        }
        conditions.add(
                GPUPoolStatus.SCALING_LIMITED,
                view.limited(),
                view.limited() ? "MaxGpus" : "WithinLimits",
                view.reason().isEmpty() ? "nothing has been decided yet" : view.reason());
        boolean late = view.latency().p99() * 1000 > view.pool().settings().latencyTargetMillis();
        boolean degraded = late || (queued > 0 && view.limited()) || problem != null;
        conditions.add(
                GPUPoolStatus.DEGRADED,
                degraded,
                problem != null
                        ? problem.reason()
                        : late ? "ChunksLate" : degraded ? "SessionsWait" : "AsWanted",
                problem != null
                        ? problem.message()
                        : late
                                ? "p99 chunk latency is %.2f s, the target %.2f s"
                                        .formatted(
                                                view.latency().p99(),
                                                view.pool().settings().latencyTargetMillis()
                                                        / 1000.0)
                                : degraded
                                        ? "sessions that wait for a worker: " + queued
                                        : "chunks are on time");
        boolean unsafe = problem != null && problem.reason().equals("StoreUnsafe");
        conditions.add(
                GPUPoolStatus.STORE_UNSAFE,
                unsafe,
                unsafe ? "SecondCreateSucceeds" : "NothingKnown",
                unsafe ? problem.message() : "no worker has found the store unsafe");
        List<GPUPoolStatus.WorkerLatency> worst =
                view.workers().stream()
                        .filter(w -> w.chunkLatencyP99S() > 0)
                        .sorted(Comparator.comparingDouble(WorkerView::chunkLatencyP99S).reversed())
                        .limit(WORST)
                        .map(
                                w ->
                                        new GPUPoolStatus.WorkerLatency(
                                                w.name(),
                                                millis(w.chunkLatencyP99S()),
                                                w.sessionsActive()))
                        .toList();
        BigDecimal hours =
                hoursBefore.add(
                        BigDecimal.valueOf(view.totals().workerSeconds())
                                .divide(SECONDS_PER_HOUR, 3, RoundingMode.HALF_UP));
        return new GPUPoolStatus(
                view.workers().size() / view.pool().settings().workersPerPod(),
                PodWorkers.POOL + "=" + view.pool().shortName(),
                new GPUPoolStatus.Workers(view.workersWanted(), ready, view.workers().size()),
                new GPUPoolStatus.Sessions(
                        view.sessionsIn(SessionView.Phase.RUNNING),
                        view.sessionsIn(SessionView.Phase.SUSPENDED),
                        queued),
                view.capacity() == 0 ? null : view.capacity(),
                view.gpus().stream()
                        .limit(GPUPoolStatus.MOST_GPU_TYPES)
                        .map(
                                g ->
                                        new GPUPoolStatus.GpuType(
                                                g.name(),
                                                g.workers(),
                                                g.capacity(),
                                                g.latencyS() == 0 ? null : millis(g.latencyS())))
                        .toList(),
                worst,
                new GPUPoolStatus.ChunkLatency(
                        millis(view.latency().p50()),
                        millis(view.latency().p99()),
                        millis(view.latency().worst())),
                hours.setScale(3, RoundingMode.HALF_UP).toPlainString(),
                before == null ? null : before.budgetUsed(),
                view.reason().isEmpty() ? null : view.reason(),
                view.pool().generation(),
                conditions.all());
    }

    private static String coming(PoolView view, int ready) {
        return view.workers().stream()
                .filter(w -> !w.phase().equals("Ready") && !w.message().isEmpty())
                .map(w -> "worker " + w.name() + ": " + w.message())
                .findFirst()
                .orElse(
                        "%d of %d wanted workers take sessions"
                                .formatted(ready, view.workersWanted()));
    }

    private static String millis(double seconds) {
        return Math.round(seconds * 1000) + "ms";
    }
}
