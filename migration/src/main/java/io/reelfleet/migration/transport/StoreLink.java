package io.reelfleet.migration.transport;

import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.StoreException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Optional;

/**
 * A link through the chunk store, for two workers that cannot reach each other: each piece is an
 * object, numbered in each direction. Slower than a network, and it reaches wherever the store
 * does.
 */
public final class StoreLink implements Link {
    private static final long SHORTEST_PAUSE_MILLIS = 2;
    private static final long LONGEST_PAUSE_MILLIS = 100;

    private final ChunkStore store;
    private final String folder;
    private final boolean listener;
    private long sent;
    private long received;
    private volatile boolean broken;

    /**
     * @param folder key of this link in the store, ending in {@code /}, used once
     * @param listener true for one side, false for the other
     */
    public StoreLink(ChunkStore store, String folder, boolean listener) {
        this.store = store;
        this.folder = folder;
        this.listener = listener;
    }

    private String key(boolean fromListener, long number) {
        return folder + (fromListener ? "back/" : "there/") + "%010d".formatted(number);
    }

    /** A piece is an object of the store when this returns. */
    @Override
    public Pending beginSend(MemorySegment bytes) throws TransportException {
        String key = key(listener, sent++);
        try {
            if (!store.createIfAbsent(key, bytes.toArray(ValueLayout.JAVA_BYTE))) {
                throw new StoreException(key + " is there already");
            }
        } catch (StoreException e) {
            broken = true;
            throw new TransportException("sending through the store failed: " + e.getMessage(), e);
        }
        return new Pending() {
            @Override
            public void await(Duration within) {}

            @Override
            public void close() {}
        };
    }

    @Override
    public Pending beginReceive(MemorySegment into) {
        String key = key(!listener, received++);
        return new Pending() {
            @Override
            public void await(Duration within) throws TransportException {
                fetch(key, into, within);
            }

            @Override
            public void close() {}
        };
    }

    private void fetch(String key, MemorySegment into, Duration within) throws TransportException {
        long deadline = System.nanoTime() + within.toNanos();
        long pause = SHORTEST_PAUSE_MILLIS;
        try {
            Optional<byte[]> piece = store.read(key);
            while (piece.isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new StoreException("nothing came within " + within);
                }
                Thread.sleep(pause);
                pause = Math.min(LONGEST_PAUSE_MILLIS, 2 * pause);
                piece = store.read(key);
            }
            if (piece.get().length != into.byteSize()) {
                throw new StoreException(
                        "%s has %d bytes, not %d"
                                .formatted(key, piece.get().length, into.byteSize()));
            }
            MemorySegment.copy(piece.get(), 0, into, ValueLayout.JAVA_BYTE, 0, piece.get().length);
        } catch (StoreException e) {
            broken = true;
            throw new TransportException(
                    "receiving through the store failed: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            broken = true;
            Thread.currentThread().interrupt();
            throw new TransportException("interrupted", e);
        }
    }

    @Override
    public boolean broken() {
        return broken;
    }

    /** The listener removes what was left in the store. */
    @Override
    public void close() {
        broken = true;
        if (listener) {
            try {
                store.delete(folder);
            } catch (StoreException e) {
                // It goes with the session's folder.
            }
        }
    }
}
