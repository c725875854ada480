package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;

/** The stored chunk of another session from which a session goes on. */
public record Origin(
        @JsonPropertyDescription(
                        "Name of a VideoSession in the same namespace, or the uid of any session whose chunks are stored.")
                @Required
                @Size(min = 1, max = 253)
                String session,
        @JsonPropertyDescription("The last chunk that is taken over, 0 or more.")
                @Required
                @ValidationRule(value = "self >= 0", message = Sentences.FROM_CHUNK)
                Long chunk) {}
