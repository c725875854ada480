package io.reelfleet.operator.fleet;

import io.reelfleet.crds.Durations;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.operator.Settings;
import io.reelfleet.scheduler.PoolSettings;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Reads a GPUPool for the fleet loop. */
public final class PoolDefinitions {
    private static final Duration DEFAULT_START_UP = Duration.ofSeconds(30);

    private PoolDefinitions() {}

    /**
     * @param namespace of a pool whose metadata names none
     */
    public static PoolDefinition of(GPUPool pool, String namespace, Settings settings) {
        GPUPoolSpec spec = pool.getSpec();
        GPUPoolSpec.Scaling scaling = spec.scaling();
        int perPod = spec.runtime().gpusPerPod();
        PoolSettings decisions =
                PoolSettings.of(
                                switch (scaling.mode()) {
                                    case PREDICTIVE -> PoolSettings.Mode.PREDICTIVE;
                                    case REACTIVE -> PoolSettings.Mode.REACTIVE;
                                    case MANUAL -> PoolSettings.Mode.MANUAL;
                                },
                                scaling.capacityHint() == null
                                        ? settings.capacity()
                                        : scaling.capacityHint(),
                                scaling.minGpus(),
                                scaling.maxGpus())
                        .manualWorkers(
                                (spec.replicas() == null
                                                ? scaling.minGpus() / perPod
                                                : spec.replicas())
                                        * perPod)
                        .workersPerPod(perPod)
                        .downDelayMillis(settings.scaleDownDelay().toMillis())
                        .startUpMillis(
                                (scaling.startupHint() == null
                                                ? DEFAULT_START_UP
                                                : Durations.parse(scaling.startupHint()))
                                        .toMillis())
                        .latencyTargetMillis(spec.latency().targetDuration().toMillis())
                        .lateBudget(spec.latency().lateBudget())
                        .chunkIntervalMillis(0)
                        .migration(spec.placement().migration() == GPUPoolSpec.Migration.ENABLED)
                        .maxMoves(spec.placement().maxMigrations())
                        .idleTimeoutMillis(spec.offload().idleTimeoutDuration().toMillis())
                        .economy(new PoolSettings.Economy(scaling.warmSpare(), 1))
                        .build();
        Map<String, String> annotations =
                pool.getMetadata().getAnnotations() == null
                        ? Map.of()
                        : pool.getMetadata().getAnnotations();
        String home =
                pool.getMetadata().getNamespace() == null
                        ? namespace
                        : pool.getMetadata().getNamespace();
        Long generation = pool.getMetadata().getGeneration();
        return new PoolDefinition(
                home + "/" + pool.getMetadata().getName(),
                pool.getMetadata().getUid(),
                generation == null ? 0 : generation,
                spec.model().name(),
                decisions,
                workerSettings(spec, settings),
                Set.copyOf(spec.allowedNamespaces()),
                spec,
                annotations.getOrDefault(Policies.DECIDES, ""),
                annotations.getOrDefault(Policies.SHADOW, ""));
    }

    private static Map<String, String> workerSettings(GPUPoolSpec spec, Settings settings) {
        Map<String, String> keys = new LinkedHashMap<>();
        GPUPoolSpec.Model model = spec.model();
        put(keys, "reelfleet.model.uri", model.uri());
        put(keys, "reelfleet.model.revision", model.revision());
        put(
                keys,
                "reelfleet.model.precision",
                model.precision() == null
                        ? null
                        : model.precision().name().toLowerCase(java.util.Locale.ROOT));
        put(keys, "reelfleet.model.steps", model.denoisingSteps());
        put(keys, "reelfleet.model.frames-per-chunk", model.framesPerChunk());
        put(keys, "reelfleet.model.width", model.size() == null ? null : model.size().width());
        put(keys, "reelfleet.model.height", model.size() == null ? null : model.size().height());
        put(keys, "reelfleet.model.fps", model.fps());
        put(keys, "reelfleet.model.window-frames", model.windowFrames());
        put(keys, "reelfleet.model.sink-frames", model.sinkFrames());
        put(
                keys,
                "reelfleet.worker.device",
                spec.runtime().device().name().toLowerCase(java.util.Locale.ROOT));
        put(keys, "reelfleet.model.retrieved-frames", model.retrievedFrames());
        put(keys, "reelfleet.model.bank-frames", model.bankFrames());
        put(keys, "reelfleet.retention.after-finished", spec.retention().afterFinished());
        put(keys, "reelfleet.retention.live-chunks", spec.retention().liveChunks());
        put(keys, "reelfleet.worker.threads", spec.runtime().threads());
        put(keys, "reelfleet.worker.latency-target", spec.latency().target());
        put(keys, "reelfleet.worker.idle-timeout", spec.offload().idleTimeout());
        put(
                keys,
                "reelfleet.worker.host-memory",
                spec.offload().hostMemoryLimit() == null
                        ? null
                        : spec.offload().hostMemoryLimit().getNumericalAmount().toBigInteger());
        put(
                keys,
                "reelfleet.store",
                spec.store() == null ? settings.store().orElse(null) : spec.store().uri());
        return keys;
    }

    private static void put(Map<String, String> keys, String key, Object value) {
        if (value != null) {
            keys.put(key, value.toString());
        }
    }
}
