package io.reelfleet.operator.fleet;

import java.util.Set;

/**
 * Is told by the loop, on the loop's thread, what others may want to mirror. Implementations return
 * at once.
 */
public interface FleetListener {

    /** Nobody listens. */
    FleetListener NONE =
            new FleetListener() {
                @Override
                public void changed(String pool, Set<String> sessions) {}

                @Override
                public void happened(Occurrence occurrence) {}
            };

    /**
     * The view of a pool and of these sessions is new.
     *
     * @param sessions uids of those whose phase, worker or message changed
     */
    void changed(String pool, Set<String> sessions);

    /** Something happened that the pool's or the session's owner should be able to read later. */
    void happened(Occurrence occurrence);

    /** A move has ended, and what is known of it will not change. */
    default void moved(String pool, MoveView move) {}

    /**
     * An event for people.
     *
     * @param pool {@code namespace/name}
     * @param session its uid; null when it concerns the pool
     * @param warning whether something went wrong
     * @param reason one word in camel case
     * @param message a sentence
     */
    record Occurrence(
            String pool, String session, boolean warning, String reason, String message) {}
}
