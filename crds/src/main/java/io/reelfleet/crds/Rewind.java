package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;

/** A stored chunk from which a session goes on anew. */
public record Rewind(
        @JsonPropertyDescription("Any text; another one asks for another rewind.")
                @Required
                @Size(min = 1, max = 63)
                String id,
        @JsonPropertyDescription(
                        "Number of the stored chunk that is generated again, 0 or more. What is stored stays; viewers see the"
                                + " chunks that follow under the next numbers.")
                @Required
                @ValidationRule(value = "self >= 0", message = Sentences.REWIND_CHUNK)
                Long chunk) {}
