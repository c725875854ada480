package io.reelfleet.replay.sim;

/**
 * What a policy did with a workload.
 *
 * @param due chunks that came due
 * @param late those whose latency exceeded the target, or that were never delivered
 * @param undelivered those whose session's burst ended while it waited
 * @param latencies of all chunks but those of the run's first start-up
 * @param gpuSeconds from each GPU's request to its release
 * @param unservedShare the fluid measure: session-time on no worker or on one with more than C
 *     sessions, over session-time, the first start-up included
 * @param migrations moves of sessions whose chunks were wanted
 * @param parkedMoves moves of idle sessions' state
 * @param suspends copies of state from a device to its host
 * @param rebuilds sessions built again from their log
 * @param scaleChanges requests and releases of GPUs
 * @param failures workers that failed
 * @param peakGpus most GPUs at once
 * @param decisions the time each decision took, microseconds
 * @param gpus how many GPUs there were, over time
 */
public record Outcome(
        long due,
        long late,
        long undelivered,
        ChunkLatencies latencies,
        double gpuSeconds,
        double unservedShare,
        long migrations,
        long parkedMoves,
        long suspends,
        long rebuilds,
        long scaleChanges,
        long failures,
        int peakGpus,
        Histogram decisions,
        StepCurve gpus) {
    /** Late chunks over chunks due; 0 when none was due. */
    public double lateRatio() {
        return due == 0 ? 0 : late / (double) due;
    }
}
