package io.reelfleet.crds;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.util.List;

/**
 * Where a session stands, as a mirror that is written seldom: chunk counts and activity are the
 * allocator's to tell. Built anew by the operator each time.
 */
public record VideoSessionStatus(
        @JsonPropertyDescription("In one word, computed from the conditions.") Phase phase,
        @JsonPropertyDescription("The worker that has it.") @Size(max = 253) String worker,
        @JsonPropertyDescription(
                        "Fencing number of its ownership, as the newest owner entry of its log has it.")
                Long epoch,
        @JsonPropertyDescription("Where it can be watched, with a token.") @Size(max = 2048)
                String url,
        @JsonPropertyDescription("What went wrong last, in a sentence.") @Size(max = 4096)
                String lastError,
        @JsonPropertyDescription("When its first worker took it, RFC 3339.") @Size(max = 64)
                String startedAt,
        @JsonPropertyDescription(
                        "When it completed or failed, RFC 3339; ttlSecondsAfterFinished counts from here.")
                @Size(max = 64)
                String finishedAt,
        @JsonPropertyDescription("metadata.generation that was looked at.") Long observedGeneration,
        @JsonPropertyDescription("Accepted, Placed, Ready, Finished; by type.") @Size(max = 16)
                List<Condition> conditions) {

    /** It passed the rules: the pool exists, admits its namespace and understands its controls. */
    public static final String ACCEPTED = "Accepted";

    /** A worker has it. */
    public static final String PLACED = "Placed";

    /** It generates, or would at once when chunks are wanted. */
    public static final String READY = "Ready";

    /** It has ended; the reason is Completed or Failed. */
    public static final String FINISHED = "Finished";

    public VideoSessionStatus {
        conditions = conditions == null ? List.of() : List.copyOf(conditions);
    }

    /** A session's state in one word. */
    public enum Phase {
        @JsonProperty("Queued")
        QUEUED,
        @JsonProperty("Running")
        RUNNING,
        @JsonProperty("Suspended")
        SUSPENDED,
        @JsonProperty("Completed")
        COMPLETED,
        @JsonProperty("Failed")
        FAILED
    }
}
