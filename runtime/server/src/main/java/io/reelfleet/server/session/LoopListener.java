package io.reelfleet.server.session;

import io.reelfleet.api.runtime.v1.ChunkStat;

/** Who hears what happens in the loop; called from its threads, so it must return at once. */
public interface LoopListener {
    /** A session's or the worker's state is different now. */
    void changed();

    /** A chunk's entry is in the log. */
    void chunkStored(ChunkStat stat);

    /** The store refused an entry; it will be tried again. */
    void storeFailed(String sessionUid, String reason);
}
