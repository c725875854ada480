package io.reelfleet.process;

import java.util.Optional;

/**
 * A setting or the machine does not let a part start or go on; the message is one sentence for the
 * person who started it.
 */
public final class StartupProblem extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With the sentence. */
    public StartupProblem(String message) {
        super(message);
    }

    /** With the sentence, and what it comes from. */
    public StartupProblem(String message, Throwable cause) {
        super(message, cause);
    }

    /** The sentence in a chain of causes; empty when nobody meant it for a person. */
    public static Optional<String> in(Throwable problem) {
        for (Throwable t = problem; t != null; t = t.getCause()) {
            if (t instanceof StartupProblem) {
                return Optional.of(t.getMessage());
            }
        }
        return Optional.empty();
    }
}
