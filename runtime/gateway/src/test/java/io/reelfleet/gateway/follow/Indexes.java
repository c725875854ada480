package io.reelfleet.gateway.follow;

import io.reelfleet.gateway.testing.Logs;
import io.reelfleet.gateway.testing.SyntheticSession;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import java.util.function.Consumer;

/** Indexes of logs, for tests of what is made from them. */
public final class Indexes {
    private Indexes() {}

    /** The index of a session that was written so. */
    public static ChunkIndex of(Consumer<SyntheticSession> writing) {
        try {
            return ChunkIndex.read(SessionLogReader.atEnd(Logs.store(writing), "s"));
        } catch (StoreException e) {
            throw new IllegalStateException(e);
        }
    }
}
