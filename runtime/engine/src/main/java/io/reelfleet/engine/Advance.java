package io.reelfleet.engine;

/**
 * What a pass did to one session of the batch.
 *
 * @param ready whether a chunk is ready for {@link EngineSession#takeChunk}
 * @param failure why the session did not advance; null where it did
 */
public record Advance(boolean ready, RuntimeException failure) {
    static final Advance MADE = new Advance(false, null);
    static final Advance READY = new Advance(true, null);
}
