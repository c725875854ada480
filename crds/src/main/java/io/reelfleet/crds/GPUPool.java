package io.reelfleet.crds;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn.Type;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Kind;
import io.fabric8.kubernetes.model.annotation.Plural;
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Singular;
import io.fabric8.kubernetes.model.annotation.Version;
import java.io.Serial;

/**
 * A set of workers that serve one model: what a platform team offers ({@code spec}) and how it does
 * ({@code status}).
 */
@Group("reelfleet.io")
@Version("v1alpha1")
@Kind("GPUPool")
@Plural("gpupools")
@Singular("gpupool")
@ShortNames("gpool")
@ValidationRule(value = "size(self.metadata.name) <= 50", message = Sentences.POOL_NAME_LENGTH)
@AdditionalPrinterColumn(name = "Model", jsonPath = ".spec.model.name", type = Type.STRING)
@AdditionalPrinterColumn(name = "Ready", jsonPath = ".status.workers.ready", type = Type.INTEGER)
@AdditionalPrinterColumn(name = "Wanted", jsonPath = ".status.workers.wanted", type = Type.INTEGER)
@AdditionalPrinterColumn(name = "Active", jsonPath = ".status.sessions.active", type = Type.INTEGER)
@AdditionalPrinterColumn(
        name = "Suspended",
        jsonPath = ".status.sessions.suspended",
        type = Type.INTEGER)
@AdditionalPrinterColumn(name = "Queued", jsonPath = ".status.sessions.queued", type = Type.INTEGER)
@AdditionalPrinterColumn(name = "P99", jsonPath = ".status.chunkLatency.p99", type = Type.STRING)
@AdditionalPrinterColumn(name = "Age", jsonPath = ".metadata.creationTimestamp", type = Type.DATE)
@AdditionalPrinterColumn(
        name = "Mode",
        jsonPath = ".spec.scaling.mode",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Min",
        jsonPath = ".spec.scaling.minGpus",
        type = Type.INTEGER,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Max",
        jsonPath = ".spec.scaling.maxGpus",
        type = Type.INTEGER,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Target",
        jsonPath = ".spec.latency.target",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Capacity",
        jsonPath = ".status.capacity",
        type = Type.INTEGER,
        priority = 1)
@AdditionalPrinterColumn(
        name = "GPU Hours",
        jsonPath = ".status.gpuHours",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Why",
        jsonPath = ".status.reason",
        type = Type.STRING,
        priority = 1)
public final class GPUPool extends CustomResource<GPUPoolSpec, GPUPoolStatus>
        implements Namespaced {
    @Serial private static final long serialVersionUID = 1L;

    @Override
    protected GPUPoolSpec initSpec() {
        return null;
    }

    @Override
    protected GPUPoolStatus initStatus() {
        return null;
    }

    /**
     * Whether sessions of that namespace may use it: its own, those it lists, or all with {@code
     * "*"}.
     */
    public boolean admits(String namespace) {
        return namespace.equals(getMetadata().getNamespace())
                || getSpec().allowedNamespaces().contains(namespace)
                || getSpec().allowedNamespaces().contains("*");
    }
}
