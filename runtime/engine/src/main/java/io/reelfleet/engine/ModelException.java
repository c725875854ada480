package io.reelfleet.engine;

/**
 * A model folder that cannot be used; the message is one sentence that names the file or tensor and
 * what is wrong with it.
 */
public final class ModelException extends Exception {
    private static final long serialVersionUID = 1L;

    public ModelException(String message) {
        super(message);
    }

    public ModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
