package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.time.Duration;
import java.util.List;

/**
 * What a user wants of a session. Absent fields take the defaults that the API server would write,
 * so that a document reads the same with and without one.
 */
@ValidationRule(
        value = "(has(self.prompt) && self.prompt != '') || has(self.from)",
        message = Sentences.PROMPT_MISSING)
@ValidationRule(value = "self.poolRef == oldSelf.poolRef", message = Sentences.POOL_FIXED)
@ValidationRule(
        value =
                "has(self.seed) == has(oldSelf.seed) && (!has(self.seed) || self.seed == oldSelf.seed)",
        message = Sentences.SEED_FIXED)
@ValidationRule(
        value =
                "has(self.from) == has(oldSelf.from) && (!has(self.from) || self.from == oldSelf.from)",
        message = Sentences.FROM_FIXED)
@ValidationRule(
        value =
                "has(self.priorityClass) == has(oldSelf.priorityClass) && (!has(self.priorityClass) || self.priorityClass == oldSelf.priorityClass)"
                        + " && has(self.latencyClass) == has(oldSelf.latencyClass) && (!has(self.latencyClass) || self.latencyClass == oldSelf.latencyClass)",
        message = Sentences.CLASSES_FIXED)
public record VideoSessionSpec(
        @JsonPropertyDescription("The pool that serves it. Fixed.") @Required PoolRef poolRef,
        @JsonPropertyDescription(
                        "What the video shows, at most 4096 characters. A new prompt takes effect with the next chunk that begins.")
                @Size(max = Sentences.PROMPT_HARD_LIMIT)
                @ValidationRule(value = "size(self) <= 4096", message = Sentences.PROMPT_LENGTH)
                String prompt,
        @JsonPropertyDescription(
                        "Key of the noise, 0 or more: equal seed, prompt and controls give equal video on equal workers. Fixed. Drawn"
                                + " from the session's uid when absent.")
                @ValidationRule(value = "self >= 0", message = Sentences.SEED)
                Long seed,
        @JsonPropertyDescription("Typed tracks over chunk intervals.") @Size(max = 64)
                List<Control> controls,
        @JsonPropertyDescription(
                        "Viewer: no further ahead of the viewer than the buffer allows. Realtime: one chunk per chunk interval."
                                + " Unpaced: as fast as the worker allows.")
                @Default("Realtime")
                Pacing pacing,
        @JsonPropertyDescription("Active: generate. Suspended: keep the state, off the GPU.")
                @Default("Active")
                Desired desired,
        @JsonPropertyDescription(
                        "The session completes after this many chunks; no limit when absent.")
                @ValidationRule(value = "self > 0", message = Sentences.MAX_CHUNKS)
                Long maxChunks,
        @JsonPropertyDescription(
                        "The session completes after this much video, such as 10m; no limit when absent.")
                @Size(max = 64)
                @ValidationRule(value = Sentences.DURATION_RULE, message = Sentences.DURATION)
                String maxDuration,
        @JsonPropertyDescription(
                        "Name of a PriorityClass: who goes first when GPUs are short. Fixed.")
                @Size(max = 253)
                @ValidationRule(value = Sentences.NAME_RULE, message = Sentences.NAME)
                String priorityClass,
        @JsonPropertyDescription("Name of a latency class of the pool. Fixed.")
                @Size(max = 253)
                @ValidationRule(value = Sentences.NAME_RULE, message = Sentences.NAME)
                String latencyClass,
        @JsonPropertyDescription("Fork or resume from a stored chunk. Fixed.") Origin from,
        @JsonPropertyDescription("Goes back to a stored chunk, once for each id.") Rewind rewind,
        @JsonPropertyDescription(
                        "Seconds after which a Completed or Failed session is deleted; kept until somebody deletes it when absent.")
                @ValidationRule(value = "self >= 0", message = Sentences.TTL)
                Integer ttlSecondsAfterFinished) {

    public VideoSessionSpec {
        controls = controls == null ? List.of() : List.copyOf(controls);
        pacing = pacing == null ? Pacing.REALTIME : pacing;
        desired = desired == null ? Desired.ACTIVE : desired;
    }

    /**
     * The seed in force: the one written, else one drawn from the session's uid, so that it
     * survives the operator.
     */
    public long seedFor(String uid) {
        if (seed != null) {
            return seed;
        }
        long hash = 0xcbf29ce484222325L; // FNV-1a, 64 bits
        for (int i = 0; i < uid.length(); i++) {
            hash = (hash ^ uid.charAt(i)) * 0x100000001b3L;
        }
        return hash & Integer.MAX_VALUE;
    }

    /** {@link #maxDuration} as a duration; null for no limit. */
    public Duration maxDurationOrNull() {
        return maxDuration == null ? null : Durations.parse(maxDuration);
    }

    /** How fast a session may generate. */
    public enum Pacing {
        @JsonProperty("Viewer")
        VIEWER,
        @JsonProperty("Realtime")
        REALTIME,
        @JsonProperty("Unpaced")
        UNPACED
    }

    /** What is wanted of a session now. */
    public enum Desired {
        @JsonProperty("Active")
        ACTIVE,
        @JsonProperty("Suspended")
        SUSPENDED
    }
}
