package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;

/** An image that a control refers to. */
public record ImageRef(
        @JsonPropertyDescription("s3://, https:// or file:/ address of a PNG or JPEG.")
                @Required
                @Size(max = 2048)
                @ValidationRule(
                        value = "self.matches('^(s3://|https://|file:/).+')",
                        message = Sentences.IMAGE_URI)
                String uri,
        @JsonPropertyDescription(
                        "SHA-256 of the image's bytes; another image under the same address is refused.")
                @Size(max = 256)
                @ValidationRule(value = Sentences.SHA256_RULE, message = Sentences.SHA256)
                String sha256) {}
