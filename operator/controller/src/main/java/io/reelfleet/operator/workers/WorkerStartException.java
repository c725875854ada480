package io.reelfleet.operator.workers;

/** A worker cannot be started; the message is a sentence for the pool's owner. */
public final class WorkerStartException extends Exception {
    private static final long serialVersionUID = 1L;

    /** With the sentence. */
    public WorkerStartException(String message) {
        super(message);
    }

    /** With the sentence and what lies under it. */
    public WorkerStartException(String message, Throwable cause) {
        super(message, cause);
    }
}
