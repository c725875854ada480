package io.reelfleet.engine;

/**
 * A session's state would exceed the device's or the host's memory limit; nothing was started or
 * changed.
 */
public final class DoesNotFitException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public DoesNotFitException(String message) {
        super(message);
    }
}
