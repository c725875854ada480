package io.reelfleet.operator.workers;

import java.time.Instant;

/**
 * A worker that exists.
 *
 * @param name of the worker
 * @param endpoint {@code host:port} of its gRPC server; null while it has none
 * @param requestedAt when it was asked for
 * @param leaving it will be taken away; null when nobody means to
 * @param message why it does not come up, in a sentence; null when nothing is known against it
 * @param node it runs on; empty while unknown, and where there are none
 * @param image it was started with; empty where there are none
 */
public record ProvidedWorker(
        String name,
        String endpoint,
        Instant requestedAt,
        Leaving leaving,
        String message,
        String node,
        String image) {}
