package io.reelfleet.server.session;

import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.migration.ChunkStore;
import java.time.Clock;
import java.util.Optional;

/** What moves need of the loop they live in. But for {@link #post} all of it is for its thread. */
interface MoveHome {
    /** Runs a task on the engine's thread, between two steps. */
    void post(Runnable task);

    Optional<LiveSession> session(String uid);

    Generators engine();

    ChunkStore store();

    Clock clock();

    String worker();

    Owner.Builder owner();

    /** A session that came by a move generates here from now on. */
    void adopt(Manifest manifest, long epoch, Generator generator, SessionWriter writer);

    /** A session that went by a move. */
    void forget(LiveSession session, String why);

    void refresh(LiveSession session);

    void changed();
}
