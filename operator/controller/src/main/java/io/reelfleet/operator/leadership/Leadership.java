package io.reelfleet.operator.leadership;

import java.util.Optional;
import java.util.function.LongConsumer;

/** Of several operators one leads. Each time another one begins to lead, the term grows. */
public interface Leadership extends AutoCloseable {

    /**
     * Joins. Returns at once where others may lead for long.
     *
     * @param leads is called with the term when this operator begins to lead, at most once
     * @param lost is called when it leads no longer: it must end, since nothing it does will be
     *     obeyed
     */
    void join(LongConsumer leads, Runnable lost);

    /** Who leads, as far as is known; for people. */
    Optional<String> leader();

    /** Where the one who leads is called, {@code host:port}; empty where that is not known. */
    default Optional<String> leaderEndpoint() {
        return Optional.empty();
    }

    /** Leaves, so that another one can lead at once. */
    @Override
    void close();
}
