package io.reelfleet.cli;

/** Something a person can put right: one sentence on stderr, no stack trace, exit code 1. */
public final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The sentence, as the person sees it. */
    public Failure(String sentence) {
        super(sentence);
    }

    /** The sentence, with what {@code --verbose} shows. */
    public Failure(String sentence, Throwable cause) {
        super(sentence, cause);
    }
}
