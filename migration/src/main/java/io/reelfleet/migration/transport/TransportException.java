package io.reelfleet.migration.transport;

import java.io.IOException;

/** The line to the other worker is broken; the message is a sentence for the fleet's operator. */
public final class TransportException extends IOException {
    private static final long serialVersionUID = 1;

    public TransportException(String message) {
        super(message);
    }

    public TransportException(String message, Throwable cause) {
        super(message, cause);
    }
}
