package io.reelfleet.operator;

/** The operator cannot start; the message is one sentence for the person who started it. */
public final class StartupProblem extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** With the sentence. */
    public StartupProblem(String message) {
        super(message);
    }
}
