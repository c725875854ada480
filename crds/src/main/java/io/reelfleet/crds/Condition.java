package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/**
 * One observation of a resource's state, in the form that {@code kubectl wait --for=condition}
 * reads.
 */
public record Condition(
        @JsonPropertyDescription("Which condition; one of each type.") @Required @Size(max = 316)
                String type,
        @JsonPropertyDescription("True, False or Unknown.") @Required Status status,
        @JsonPropertyDescription("Why, in one CamelCase word for programs.")
                @Required
                @Size(max = 1024)
                String reason,
        @JsonPropertyDescription("Why, in a sentence for people.") @Required @Size(max = 4096)
                String message,
        @JsonPropertyDescription("When the status last changed, RFC 3339.")
                @Required
                @Size(max = 64)
                String lastTransitionTime,
        @JsonPropertyDescription("metadata.generation that was looked at.")
                Long observedGeneration) {

    /** What is known of a condition. */
    public enum Status {
        /** It holds. */
        True,
        /** It does not hold. */
        False,
        /** It cannot be told. */
        Unknown
    }
}
