package io.reelfleet.server.session;

import java.time.Duration;

/**
 * How sessions move between workers.
 *
 * @param host IPv4 address of this machine that other workers reach
 * @param patience how long either side waits for the other before it gives a move up
 * @param bufferBytes what is sent at once
 * @param cutBytes so little is left to send when the session stands still for it
 * @param longestPrecopy after this long the session stands still however much is left
 */
public record MoveSettings(
        String host, Duration patience, long bufferBytes, long cutBytes, Duration longestPrecopy) {
    /** Of the frames that two workers exchange; another one is refused. */
    public static final int PROTOCOL_VERSION = 2;

    /** On this machine's loopback address, 10 s, 16 MiB, 16 MiB, 30 s. */
    public static MoveSettings defaults() {
        return on("127.0.0.1");
    }

    /** The defaults on another address. */
    public static MoveSettings on(String host) {
        return new MoveSettings(
                host, Duration.ofSeconds(10), 16 << 20, 16 << 20, Duration.ofSeconds(30));
    }
}
