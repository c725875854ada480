package io.reelfleet.engine;

import java.util.Objects;

/**
 * What a session is opened with.
 *
 * @param uid the session's unique name, for messages
 * @param seed key of the session's noise; not negative
 * @param prompt text in force from the first chunk
 */
public record SessionParameters(String uid, long seed, String prompt) {
    public SessionParameters {
        Objects.requireNonNull(uid, "uid");
        Objects.requireNonNull(prompt, "prompt");
        if (seed < 0) {
            throw new IllegalArgumentException(
                    "seed must be 0 or greater, not " + seed + ": write a non-negative number");
        }
    }
}
