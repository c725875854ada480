package io.reelfleet.server.session;

import io.reelfleet.api.runtime.v1.ChunkStat;

/** Who hears what happens in the loop; called from its threads, so it must return at once. */
public interface LoopListener {
    /** A session's or the worker's state is different now. */
    void changed();

    /** A chunk's entry is in the log. */
    void chunkStored(ChunkStat stat);

    /**
     * The first chunk under a control that was sent live is in the log: viewers can see it.
     *
     * @param seconds since the control was received
     */
    default void controlVisible(String kind, double seconds) {}

    /** The store refused an entry; it will be tried again. */
    void storeFailed(String sessionUid, String reason);
}
