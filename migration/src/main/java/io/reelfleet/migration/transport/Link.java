package io.reelfleet.migration.transport;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/**
 * A line between two workers: what one sends, the other receives, in the same order and in the same
 * pieces. Every wait has an end; after an error the link is broken for good and another is made.
 * Each direction is for one thread at a time.
 */
public interface Link extends AutoCloseable {
    /** A piece on its way. Its memory may be used again once {@link #await} has returned. */
    interface Pending extends AutoCloseable {
        /** Waits until the piece is sent, or has come. */
        void await(Duration within) throws TransportException;

        /** Frees what it holds; a piece that is still on its way belongs to a broken link. */
        @Override
        void close();
    }

    /**
     * Begins to send bytes of native memory, which must stay as it is meanwhile. Several pieces may
     * be on their way.
     */
    Pending beginSend(MemorySegment bytes) throws TransportException;

    /** Begins to receive exactly as many bytes as {@code into} has, a piece of native memory. */
    Pending beginReceive(MemorySegment into) throws TransportException;

    /**
     * Sends the first {@code bytes} of {@code buffer}; when it returns, they may be overwritten.
     */
    default void send(TransferBuffer buffer, long bytes, Duration within)
            throws TransportException {
        try (Pending pending = beginSend(buffer.memory().asSlice(0, bytes))) {
            pending.await(within);
        }
    }

    /** Receives exactly {@code bytes} into {@code buffer}. */
    default void receive(TransferBuffer buffer, long bytes, Duration within)
            throws TransportException {
        try (Pending pending = beginReceive(buffer.memory().asSlice(0, bytes))) {
            pending.await(within);
        }
    }

    /** Whether an error has ended it. */
    boolean broken();

    @Override
    void close();
}
