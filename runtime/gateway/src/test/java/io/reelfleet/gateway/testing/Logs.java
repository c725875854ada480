package io.reelfleet.gateway.testing;

import io.reelfleet.migration.ChunkStore;
import java.util.function.Consumer;

/** Logs in a line. */
public final class Logs {
    private Logs() {}

    /** A store with one session {@code s} that was written so. */
    public static MemoryStore store(Consumer<SyntheticSession> writing) {
        MemoryStore store = new MemoryStore();
        session(store, "s", writing);
        return store;
    }

    /** Writes a session into {@code store}. */
    public static void session(ChunkStore store, String uid, Consumer<SyntheticSession> writing) {
        writing.accept(
                new SyntheticSession(store, uid, "a red circle").owner("w-1", "127.0.0.1:1", 1));
    }
}
