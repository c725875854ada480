package io.reelfleet.server.session;

/**
 * A command or control was not carried out; nothing was changed. The message is a sentence for who
 * sent it.
 */
public final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Why, as far as a program can act on it. */
    public enum Kind {
        /** The caller got something wrong; repeating it does not help. */
        INVALID,
        /** This worker does not have the session. */
        UNKNOWN_SESSION,
        /** The caller's epoch or term is over. */
        STALE,
        /** No room on the device. */
        DOES_NOT_FIT,
        /** The worker takes no sessions (any more). */
        NOT_ADMITTING,
        /** The store or the worker cannot do it now; try again. */
        UNAVAILABLE
    }

    private final Kind kind;

    public Refusal(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    Refusal(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }

    @Override
    public synchronized Throwable fillInStackTrace() {
        // An answer, not a defect: who asked learns why, and no trace is needed.
        return this;
    }
}
