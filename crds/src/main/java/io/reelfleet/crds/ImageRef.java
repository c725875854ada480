package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;

/** An image that a control refers to. */
public record ImageRef(
        @JsonPropertyDescription(
                        "A PNG or JPEG of the video's size: data:image/png;base64,..., or an https:// or file:/ address below one that the operator allows.")
                @Required
                @Size(max = Sentences.IMAGE_URI_LIMIT)
                @ValidationRule(
                        value =
                                "self.startsWith('data:image/') || self.startsWith('https://') || self.startsWith('file:/')",
                        message = Sentences.IMAGE_URI)
                String uri,
        @JsonPropertyDescription(
                        "SHA-256 of the image's bytes; another image under the same address is refused.")
                @Size(max = 256)
                @ValidationRule(value = Sentences.SHA256_RULE, message = Sentences.SHA256)
                String sha256) {}
