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
 */
public record LoopSettings(
        String worker,
        String endpoint,
        Duration latencyTarget,
        Duration idleTimeout,
        PaceSettings pace) {}
