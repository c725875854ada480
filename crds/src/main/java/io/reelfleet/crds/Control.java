package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;

/**
 * One typed track over an interval of chunks. Of one kind and role the latest in force wins. A
 * model declares the kinds it understands; others are refused by name.
 */
@ValidationRule(
        value =
                "(has(self.text) ? 1 : 0) + (has(self.numbers) ? 1 : 0) + (has(self.image) ? 1 : 0) == 1",
        message = Sentences.CONTROL_VALUE)
@ValidationRule(
        value = "!(self.kind in ['prompt', 'negativePrompt']) || has(self.text)",
        message = Sentences.CONTROL_TEXT)
@ValidationRule(
        value = "!(self.kind in ['camera', 'trajectory', 'light']) || has(self.numbers)",
        message = Sentences.CONTROL_NUMBERS)
@ValidationRule(
        value = "self.kind != 'reference' || has(self.image)",
        message = Sentences.CONTROL_IMAGE)
@ValidationRule(
        value = "self.kind != 'action' || !has(self.image)",
        message = Sentences.CONTROL_ACTION)
@ValidationRule(
        value = "self.kind != 'entity' || !has(self.numbers)",
        message = Sentences.CONTROL_ENTITY)
@ValidationRule(
        value = "!(self.kind in ['reference', 'entity']) || self.role != ''",
        message = Sentences.CONTROL_ROLE)
@ValidationRule(
        value = "!has(self.toChunk) || self.toChunk > self.fromChunk",
        message = Sentences.CONTROL_INTERVAL)
@ValidationRule(
        value = "!has(self.refresh) || !self.refresh || self.kind == 'prompt'",
        message = Sentences.CONTROL_REFRESH)
@ValidationRule(
        value = "self.kind != 'prompt' || self.fromChunk > 0",
        message = Sentences.CONTROL_FIRST_PROMPT)
public record Control(
        @JsonPropertyDescription("What is controlled.") @Required ControlKind kind,
        @JsonPropertyDescription("First chunk it is in force for.")
                @Default("0")
                @ValidationRule(value = "self >= 0", message = Sentences.CONTROL_FROM)
                Long fromChunk,
        @JsonPropertyDescription(
                        "First chunk it is in force for no longer; until the next control of its kind and role when absent.")
                Long toChunk,
        @JsonPropertyDescription(
                        "For reference and entity: what the value stands for, such as first-frame, style or hero.")
                @Default("")
                @Size(max = 63)
                String role,
        @JsonPropertyDescription("A prompt, or the name of an action.")
                @Size(max = Sentences.PROMPT_HARD_LIMIT)
                @ValidationRule(value = "size(self) <= 4096", message = Sentences.PROMPT_LENGTH)
                String text,
        @JsonPropertyDescription(
                        "A camera pose, an object's path, a light's direction, an action's strength.")
                @Size(min = 1, max = 256)
                List<Double> numbers,
        @JsonPropertyDescription(
                        "A picture: with role first-frame the one that the video begins with.")
                ImageRef image,
        @JsonPropertyDescription(
                        "For a prompt: the frames that the model looks back at are run again under it, so that the video turns at once.")
                Boolean refresh) {

    public Control {
        fromChunk = fromChunk == null ? Long.valueOf(0) : fromChunk;
        role = role == null ? "" : role;
        numbers = numbers == null ? null : List.copyOf(numbers);
    }

    /** What a control steers; the names are the allocator's and the worker's too. */
    public enum ControlKind {
        @JsonProperty("prompt")
        PROMPT("prompt"),
        @JsonProperty("negativePrompt")
        NEGATIVE_PROMPT("negativePrompt"),
        @JsonProperty("camera")
        CAMERA("camera"),
        @JsonProperty("trajectory")
        TRAJECTORY("trajectory"),
        @JsonProperty("light")
        LIGHT("light"),
        @JsonProperty("reference")
        REFERENCE("reference"),
        @JsonProperty("action")
        ACTION("action"),
        @JsonProperty("entity")
        ENTITY("entity");

        private final String value;

        ControlKind(String value) {
            this.value = value;
        }

        @Override
        public String toString() {
            return value;
        }
    }
}
