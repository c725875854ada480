package io.reelfleet.scheduler;

/**
 * One session.
 *
 * @param uid names it
 * @param active what its owner wants: true to generate, false to be suspended
 * @param wantsChunks whether chunks are due now; false for a session that waits for a viewer. A
 *     session without a worker is taken to want them whenever it is {@code active}
 * @param priority higher goes first
 * @param weight its load in units of an ordinary session of the pool
 * @param waitingSinceMillis since when it has wanted chunks without being served, or when it was
 *     opened; of one that is served, since when it has been
 * @param idleSinceMillis since when it has wanted no chunks; 0 while it wants them
 * @param place where its state is
 * @param busy a command for it is under way: leave it alone
 * @param alone workers died under it: it must not share one
 */
public record SessionSnapshot(
        String uid,
        boolean active,
        boolean wantsChunks,
        int priority,
        double weight,
        long waitingSinceMillis,
        long idleSinceMillis,
        Place place,
        boolean busy,
        boolean alone) {

    /** Where a session's state is. */
    public sealed interface Place {
        /** On the worker's device: it generates, or can at once. */
        record Device(String worker) implements Place {}

        /** In the worker's host memory: suspended there. */
        record Host(String worker) implements Place {}

        /** On its way to another worker; the load counts there. */
        record Moving(String from, String to) implements Place {}

        /**
         * In the session log only (or nowhere, before its first chunk): any worker can build it.
         */
        record Store() implements Place {}
    }

    /** Whether it counts as load: somebody waits for its chunks. */
    public boolean demands() {
        return active && (wantsChunks || place instanceof Place.Store);
    }
}
