package io.reelfleet.engine;

/** A state cannot be taken over by this engine; the message is a sentence that says why. */
public final class StateMismatchException extends Exception {
    private static final long serialVersionUID = 1;

    public StateMismatchException(String message) {
        super(message);
    }

    public StateMismatchException(String message, Throwable cause) {
        super(message, cause);
    }
}
