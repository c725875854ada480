package io.reelfleet.migration;

/**
 * A session's log holds what no owner could have written, or what a newer version of this program
 * wrote.
 */
public final class LogCorruptException extends StoreException {
    private static final long serialVersionUID = 1;

    LogCorruptException(String message) {
        super(message);
    }

    LogCorruptException(String message, Throwable cause) {
        super(message, cause);
    }
}
