package io.reelfleet.operator.fleet;

import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A pool as it stands, for everybody outside the loop. It never changes; the loop publishes a new
 * one.
 *
 * @param term of the leader that runs the loop
 * @param rebuilding the loop waits for reports after its start and decides nothing yet
 * @param workers in the order of their requests
 * @param sessions by uid
 * @param workersWanted as the policy has it
 * @param limited more workers would be wanted than the pool's maximum
 * @param reason the policy's last sentence
 * @param totals counters since the operator started
 * @param latency over the last minute
 * @param controls the kinds of control the model understands; empty while no worker has said so
 * @param problem the worst that is known against the pool; null when there is nothing
 * @param capacity most ordinary sessions an ordinary worker of the pool is given at once
 * @param gpus by type
 * @param budgetWorkers most workers that a budget shared with other pools leaves it now; -1 without
 *     one
 * @param shadowWanted workers that the shadow policy wants; -1 without one
 * @param shadowDiffers decisions of which the shadow policy would have made another plan
 * @param moves the last ones, from the oldest to the newest
 */
public record PoolView(
        PoolDefinition pool,
        long term,
        boolean rebuilding,
        List<WorkerView> workers,
        Map<String, SessionView> sessions,
        int workersWanted,
        boolean limited,
        String reason,
        Totals totals,
        Latency latency,
        Set<String> controls,
        Problem problem,
        int capacity,
        List<GpuView> gpus,
        int budgetWorkers,
        int shadowWanted,
        long shadowDiffers,
        List<MoveView> moves) {

    /**
     * Counters since the operator started.
     *
     * @param waitedSeconds session-seconds that sessions which want chunks waited for their turn
     *     beyond the latency target
     * @param workerSeconds over all workers, from request to release
     */
    public record Totals(
            long chunksGenerated,
            long chunksLate,
            double waitedSeconds,
            double workerSeconds,
            long suspends,
            long resumes,
            long migrations,
            long recoveries) {}

    /** Chunk latency in seconds. */
    public record Latency(double p50, double p99, double worst) {
        static final Latency NONE = new Latency(0, 0, 0);
    }

    /**
     * Something that keeps the pool from being what its owner wants.
     *
     * @param reason ModelInvalid, StoreUnsafe, WorkersFail or WorkerSilent
     * @param message a sentence, from the worker where there is one
     */
    public record Problem(String reason, String message) {}

    /** Workers that take sessions. */
    public int workersReady() {
        return (int) workers.stream().filter(w -> w.phase().equals("Ready")).count();
    }

    /** Sessions in a phase. */
    public int sessionsIn(SessionView.Phase phase) {
        return (int) sessions.values().stream().filter(s -> s.phase() == phase).count();
    }
}
