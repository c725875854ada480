package io.reelfleet.operator.fleet;

import java.time.Instant;

/**
 * A worker as it stands, for everybody outside the loop.
 *
 * @param phase Requested, Loading, Ready, Draining or Unknown
 * @param chunkLatencyP99S seconds, over the last minute
 * @param readyAt null before it was ready
 * @param endpoint {@code host:port}; empty while it has none
 * @param message why it is not ready; empty when there is nothing to say
 */
public record WorkerView(
        String name,
        String phase,
        int sessionsActive,
        int sessionsSuspended,
        double chunkLatencyP99S,
        Instant requestedAt,
        Instant readyAt,
        String endpoint,
        long deviceBytesUsed,
        long deviceBytesLimit,
        String message) {}
