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
 * A video that is generated as long as it lives: the wish of a user ({@code spec}) and where it
 * stands ({@code status}).
 */
@Group("reelfleet.io")
@Version("v1alpha1")
@Kind("VideoSession")
@Plural("videosessions")
@Singular("videosession")
@ShortNames("vsession")
@ValidationRule(value = "size(self.metadata.name) <= 63", message = Sentences.SESSION_NAME_LENGTH)
@AdditionalPrinterColumn(name = "Phase", jsonPath = ".status.phase", type = Type.STRING)
@AdditionalPrinterColumn(name = "Pool", jsonPath = ".spec.poolRef.name", type = Type.STRING)
@AdditionalPrinterColumn(name = "Worker", jsonPath = ".status.worker", type = Type.STRING)
@AdditionalPrinterColumn(name = "Age", jsonPath = ".metadata.creationTimestamp", type = Type.DATE)
@AdditionalPrinterColumn(
        name = "Desired",
        jsonPath = ".spec.desired",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Pacing",
        jsonPath = ".spec.pacing",
        type = Type.STRING,
        priority = 1)
@AdditionalPrinterColumn(
        name = "Epoch",
        jsonPath = ".status.epoch",
        type = Type.INTEGER,
        priority = 1)
@AdditionalPrinterColumn(name = "URL", jsonPath = ".status.url", type = Type.STRING, priority = 1)
@AdditionalPrinterColumn(
        name = "Last Error",
        jsonPath = ".status.lastError",
        type = Type.STRING,
        priority = 1)
public final class VideoSession extends CustomResource<VideoSessionSpec, VideoSessionStatus>
        implements Namespaced {
    @Serial private static final long serialVersionUID = 1L;

    @Override
    protected VideoSessionSpec initSpec() {
        return null;
    }

    @Override
    protected VideoSessionStatus initStatus() {
        return null;
    }

    /**
     * The GPUPool it belongs to as {@code namespace/name}; an unnamed namespace is the session's
     * own.
     */
    public String pool() {
        PoolRef ref = getSpec().poolRef();
        String namespace = ref.namespace() == null ? getMetadata().getNamespace() : ref.namespace();
        return namespace + "/" + ref.name();
    }
}
