package io.reelfleet.migration.protocol;

import java.util.Objects;

/**
 * One attempt to move one session.
 *
 * @param id unique; an attempt that failed is not tried again under the same id
 * @param source the worker that owns the session now
 * @param target the worker that will own it
 * @param epoch the ownership that the target will append to the session's log
 */
public record Move(String id, String source, String target, long epoch) {
    public Move {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(source, "source");
        Objects.requireNonNull(target, "target");
    }
}
