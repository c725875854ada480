package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import io.fabric8.kubernetes.model.annotation.LabelSelector;
import io.fabric8.kubernetes.model.annotation.StatusReplicas;
import java.util.List;

/** How a pool does; written once in ten seconds at most. Built anew by the operator each time. */
public record GPUPoolStatus(
        @JsonPropertyDescription("Pods there are.") @StatusReplicas Integer replicas,
        @JsonPropertyDescription(
                        "Label selector of the pool's pods, for kubectl scale and autoscalers.")
                @LabelSelector
                @Size(max = 1024)
                String selector,
        @JsonPropertyDescription("Workers, one per GPU.") Workers workers,
        @JsonPropertyDescription("Sessions.") Sessions sessions,
        @JsonPropertyDescription(
                        "Most ordinary sessions that one worker is given at once: capacityHint, or as measured.")
                Integer capacity,
        @JsonPropertyDescription("What each type of GPU in the pool carries.")
                @Size(max = MOST_GPU_TYPES)
                List<GpuType> gpuTypes,
        @JsonPropertyDescription("The ten workers with the highest chunk latency, worst first.")
                @Size(max = 10)
                List<WorkerLatency> worstWorkers,
        @JsonPropertyDescription("Over the last minute, from due until delivered.")
                ChunkLatency chunkLatency,
        @JsonPropertyDescription("GPU-hours used since the pool was made, as a decimal number.")
                @Size(max = 64)
                String gpuHours,
        @JsonPropertyDescription("Money spent in the budget's period, as a decimal number.")
                @Size(max = 64)
                String budgetUsed,
        @JsonPropertyDescription("Why there are this many workers, in a sentence.")
                @Size(max = 1024)
                String reason,
        @JsonPropertyDescription("metadata.generation that was looked at.") Long observedGeneration,
        @JsonPropertyDescription("Ready, ScalingLimited, Degraded, StoreUnsafe; by type.")
                @Size(max = 16)
                List<Condition> conditions) {

    /** The workers that the load needs are there. */
    public static final String READY = "Ready";

    /** The load wants more workers than maxGpus, a budget or the cluster allow. */
    public static final String SCALING_LIMITED = "ScalingLimited";

    /** Sessions are late or without a worker. */
    public static final String DEGRADED = "Degraded";

    /**
     * The store lets two writers create the same object: two owners of a session could both
     * publish.
     */
    public static final String STORE_UNSAFE = "StoreUnsafe";

    /** As many types of GPU are shown. */
    public static final int MOST_GPU_TYPES = 16;

    public GPUPoolStatus {
        gpuTypes = gpuTypes == null ? List.of() : List.copyOf(gpuTypes);
        worstWorkers = worstWorkers == null ? List.of() : List.copyOf(worstWorkers);
        conditions = conditions == null ? List.of() : List.copyOf(conditions);
    }

    /** Counts of workers; {@code total} has the loading, draining and unknown ones too. */
    public record Workers(Integer wanted, Integer ready, Integer total) {}

    /** Counts of sessions. */
    public record Sessions(Integer active, Integer suspended, Integer queued) {}

    /** A type of GPU; {@code latency}: of a chunk where so many sessions are served. */
    public record GpuType(
            @Size(max = 253) String name,
            Integer workers,
            Integer capacity,
            @Size(max = 64) String latency) {}

    /** A worker and its latency: p99 over the last minute, such as {@code 412ms}. */
    public record WorkerLatency(
            @Size(max = 253) String name, @Size(max = 64) String p99, Integer sessions) {}

    /** Chunk latencies such as {@code 412ms}. */
    public record ChunkLatency(
            @Size(max = 64) String p50, @Size(max = 64) String p99, @Size(max = 64) String worst) {}
}
