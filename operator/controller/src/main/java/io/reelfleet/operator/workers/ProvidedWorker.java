package io.reelfleet.operator.workers;

import java.time.Instant;

/**
 * A worker that exists.
 *
 * @param name of the worker
 * @param endpoint {@code host:port} of its gRPC server; null while it has none
 * @param requestedAt when it was asked for
 * @param mustEmpty it will be taken away: its sessions should leave
 * @param message why it does not come up, in a sentence; null when nothing is known against it
 */
public record ProvidedWorker(
        String name, String endpoint, Instant requestedAt, boolean mustEmpty, String message) {}
