package io.reelfleet.replay;

/**
 * A trace that cannot be used: one sentence that names the file, the line, the field and what it
 * should be.
 */
public final class TraceException extends Exception {
    private static final long serialVersionUID = 1;

    /** The sentence, as people see it. */
    public TraceException(String sentence) {
        super(sentence);
    }
}
