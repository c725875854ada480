package io.reelfleet.operator.workers;

import io.reelfleet.crds.GPUPoolSpec;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a provider needs to start one worker.
 *
 * @param name never used before
 * @param pool {@code namespace/name}
 * @param poolUid uid of the GPUPool object; null without Kubernetes
 * @param settings configuration of the worker ({@code reelfleet.…} keys), as
 *     docs/developers/processes.md lists it
 * @param spec of the pool: image, resources, pod template
 */
public record WorkerLaunch(
        String name, String pool, String poolUid, Map<String, String> settings, GPUPoolSpec spec) {

    /** Copies the settings, keeping their order. */
    public WorkerLaunch {
        settings = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(settings));
    }

    /** The name of the pool without its namespace. */
    public String poolName() {
        return pool.substring(pool.indexOf('/') + 1);
    }

    /** The namespace of the pool. */
    public String namespace() {
        return pool.substring(0, pool.indexOf('/'));
    }
}
