package io.reelfleet.migration;

/**
 * No room is left under the chunk store. What was stored stays readable; writing can be tried again
 * later.
 */
public final class StoreFullException extends StoreException {
    private static final long serialVersionUID = 1;

    public StoreFullException(String message, Throwable cause) {
        super(message, cause);
    }
}
