package io.reelfleet.migration;

/**
 * Two creates of one key both succeeded, so that this store cannot keep two workers from owning one
 * session.
 */
public final class StoreUnsafeException extends StoreException {
    private static final long serialVersionUID = 1;

    public StoreUnsafeException(String message) {
        super(message);
    }
}
