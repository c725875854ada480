package io.reelfleet.operator.fleet;

import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.scheduler.PoolSettings;
import java.util.Map;
import java.util.Set;

/**
 * A GPUPool as the fleet loop needs it.
 *
 * @param name {@code namespace/name}
 * @param uid of the object; null without Kubernetes
 * @param generation of its spec
 * @param model what people call the model
 * @param settings what decisions depend on
 * @param workerSettings configuration of each worker, by {@code reelfleet.…} key
 * @param allowedNamespaces whose sessions may use it besides its own namespace's; "*" is everybody
 * @param spec as it was written: providers read image, resources and pod template from it
 * @param policy name of the policy that decides; empty for the default
 * @param shadowPolicy name of a policy that decides for comparison only; empty for none
 */
public record PoolDefinition(
        String name,
        String uid,
        long generation,
        String model,
        PoolSettings settings,
        Map<String, String> workerSettings,
        Set<String> allowedNamespaces,
        GPUPoolSpec spec,
        String policy,
        String shadowPolicy) {

    /** A pool with the default policy. */
    public PoolDefinition(
            String name,
            String uid,
            long generation,
            String model,
            PoolSettings settings,
            Map<String, String> workerSettings,
            Set<String> allowedNamespaces,
            GPUPoolSpec spec) {
        this(
                name,
                uid,
                generation,
                model,
                settings,
                workerSettings,
                allowedNamespaces,
                spec,
                "",
                "");
    }

    /** Copies the collections. */
    public PoolDefinition {
        workerSettings = Map.copyOf(workerSettings);
        allowedNamespaces = Set.copyOf(allowedNamespaces);
    }

    /** The pool's namespace. */
    public String namespace() {
        return name.substring(0, name.indexOf('/'));
    }

    /** The pool's name without its namespace. */
    public String shortName() {
        return name.substring(name.indexOf('/') + 1);
    }

    /** Whether all workers of a node are paid for together. */
    public boolean paidByNode() {
        return spec != null && spec.scaling().billingUnit() == GPUPoolSpec.BillingUnit.NODE;
    }

    /** Whether sessions of a namespace may use the pool. */
    public boolean allows(String namespace) {
        return namespace.equals(namespace())
                || allowedNamespaces.contains(namespace)
                || allowedNamespaces.contains("*");
    }
}
