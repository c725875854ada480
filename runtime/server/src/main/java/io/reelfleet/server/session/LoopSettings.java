package io.reelfleet.server.session;

import java.time.Duration;

/**
 * What the loop needs to know of its worker.
 *
 * @param worker the worker's name, as Owner entries tell it
 * @param endpoint host:port that gateways reach it by
 * @param latencyTarget a chunk with a higher latency is late
 * @param idleTimeout a session that wants no chunks for this long leaves the device
 * @param pace how sessions are paced
 * @param liveChunks newest chunks of a session that are kept while it goes on; 0: all of them
 * @param images where pictures that controls refer to may come from
 */
public record LoopSettings(
        String worker,
        String endpoint,
        Duration latencyTarget,
        Duration idleTimeout,
        PaceSettings pace,
        long liveChunks,
        Images images) {

    /** Keeps all chunks, and takes pictures from controls themselves only. */
    public LoopSettings(
            String worker,
            String endpoint,
            Duration latencyTarget,
            Duration idleTimeout,
            PaceSettings pace) {
        this(worker, endpoint, latencyTarget, idleTimeout, pace, 0, Images.INLINE_ONLY);
    }
}
