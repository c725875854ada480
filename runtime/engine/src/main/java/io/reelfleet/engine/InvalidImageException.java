package io.reelfleet.engine;

/** An image cannot be taken by the model; the message says why in a sentence. */
public final class InvalidImageException extends Exception {
    private static final long serialVersionUID = 1;

    public InvalidImageException(String message) {
        super(message);
    }

    public InvalidImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
