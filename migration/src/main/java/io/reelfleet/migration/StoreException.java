package io.reelfleet.migration;

import java.io.IOException;

/**
 * The chunk store did not do what was asked; the message is a sentence for the operator of the
 * fleet.
 */
public class StoreException extends IOException {
    private static final long serialVersionUID = 1;

    public StoreException(String message) {
        super(message);
    }

    public StoreException(String message, Throwable cause) {
        super(message, cause);
    }
}
