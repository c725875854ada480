package io.reelfleet.engine;

/**
 * A prompt that the model cannot take; the message is one sentence that says what to write instead.
 */
public final class InvalidPromptException extends Exception {
    private static final long serialVersionUID = 1L;

    public InvalidPromptException(String message) {
        super(message);
    }
}
