package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;

/** Which GPUPool serves a session. */
public record PoolRef(
        @JsonPropertyDescription("Name of the GPUPool.")
                @Required
                @Size(max = 253)
                @ValidationRule(value = "self != ''", message = Sentences.POOL_NAME)
                String name,
        @JsonPropertyDescription(
                        "Namespace of the GPUPool; the session's own when absent. Another namespace's pool has to list this one in"
                                + " spec.allowedNamespaces.")
                @Size(max = 253)
                @ValidationRule(value = Sentences.NAME_RULE, message = Sentences.NAME)
                String namespace) {}
