package io.reelfleet.migration.transport;

import java.time.Duration;

/**
 * A line between two workers: what one sends, the other receives, in the same order and in the same
 * pieces. Every wait has an end; after an error the link is broken for good and another is made.
 * Each direction is for one thread at a time.
 */
public interface Link extends AutoCloseable {
    /**
     * Sends the first {@code bytes} of {@code buffer}; when it returns, they may be overwritten.
     */
    void send(TransferBuffer buffer, long bytes, Duration within) throws TransportException;

    /** Receives exactly {@code bytes} into {@code buffer}. */
    void receive(TransferBuffer buffer, long bytes, Duration within) throws TransportException;

    /** Whether an error has ended it. */
    boolean broken();

    @Override
    void close();
}
