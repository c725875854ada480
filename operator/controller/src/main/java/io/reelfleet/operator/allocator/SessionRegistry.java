package io.reelfleet.operator.allocator;

import io.reelfleet.operator.fleet.SessionWish;
import java.util.List;

/**
 * Remembers the allocator's sessions across restarts of the operator, so that one whose worker died
 * while no operator ran is still recovered, and one that was closed is not. VideoSession objects
 * need no registry: the API server has them.
 */
public interface SessionRegistry {

    /** Remembers nothing. */
    SessionRegistry NONE =
            new SessionRegistry() {
                @Override
                public List<SessionWish> load() {
                    return List.of();
                }

                @Override
                public void save(SessionWish wish) {}

                @Override
                public void remove(String uid) {}
            };

    /** Everything that was saved and not removed. */
    List<SessionWish> load();

    /** Keeps this wish, in place of an earlier one of the same session; durable when it returns. */
    void save(SessionWish wish);

    /** Forgets a session. */
    void remove(String uid);
}
