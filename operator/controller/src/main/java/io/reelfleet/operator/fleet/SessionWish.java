package io.reelfleet.operator.fleet;

import io.reelfleet.api.session.v1.SessionSpec;
import java.time.Instant;

/**
 * What a session's owner wants.
 *
 * @param spec all a worker needs
 * @param active true to generate, false to be suspended
 * @param source where the wish comes from
 * @param requestId of the request that opened it; empty for none
 * @param openedAt when it was first asked for
 * @param knownEpoch the highest epoch that was seen before this operator started; 0 for none
 */
public record SessionWish(
        SessionSpec spec,
        boolean active,
        Source source,
        String requestId,
        Instant openedAt,
        long knownEpoch) {

    /** Where a session comes from. */
    public enum Source {
        /** A VideoSession object. */
        VIDEO_SESSION("VideoSession"),
        /** The allocator's OpenSession. */
        ALLOCATOR("Allocator");

        private final String title;

        Source(String title) {
            this.title = title;
        }

        /** As the allocator's API calls it. */
        public String title() {
            return title;
        }
    }

    /** Whether nothing that an owner can change differs. */
    boolean sameAs(SessionWish other) {
        return spec.equals(other.spec) && active == other.active;
    }

    /** The same wish with another spec and another desire. */
    public SessionWish with(SessionSpec newSpec, boolean newActive) {
        return new SessionWish(newSpec, newActive, source, requestId, openedAt, knownEpoch);
    }
}
