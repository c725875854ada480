package io.reelfleet.server;

/**
 * A setting or the machine does not allow the worker to start; the message is a sentence for who
 * started it.
 */
final class StartupProblem extends RuntimeException {
    private static final long serialVersionUID = 1;

    StartupProblem(String message) {
        super(message);
    }

    StartupProblem(String message, Throwable cause) {
        super(message, cause);
    }
}
