package io.reelfleet.operator.fleet;

/** When to try again: doubled after each failure up to a cap, never given up. For one thread. */
final class Backoff {
    private final long firstMillis;
    private final long lastMillis;
    private int failures;
    private long notBefore;

    Backoff(long firstMillis, long lastMillis) {
        this.firstMillis = firstMillis;
        this.lastMillis = lastMillis;
    }

    void failed(long nowMillis) {
        notBefore = nowMillis + Math.min(lastMillis, firstMillis << Math.min(failures, 20));
        failures++;
    }

    void succeeded() {
        failures = 0;
        notBefore = 0;
    }

    boolean ready(long nowMillis) {
        return nowMillis >= notBefore;
    }

    long notBefore() {
        return notBefore;
    }

    int failures() {
        return failures;
    }
}
