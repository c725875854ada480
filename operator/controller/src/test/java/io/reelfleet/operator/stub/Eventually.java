package io.reelfleet.operator.stub;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** Waits for a condition. */
public final class Eventually {
    private Eventually() {}

    /** An assertion that may fail for a while. */
    @FunctionalInterface
    public interface Assertion {
        /** Throws while it does not hold. */
        void check() throws Exception;
    }

    /** Returns once the assertion holds; fails with its last error after the limit. */
    public static void eventually(Duration limit, Assertion assertion) {
        long until = System.nanoTime() + limit.toNanos();
        while (true) {
            try {
                assertion.check();
                return;
            } catch (Exception | AssertionError e) {
                if (System.nanoTime() > until) {
                    throw new AssertionError("not within " + limit + ": " + e.getMessage(), e);
                }
            }
            LockSupport.parkNanos(50_000_000);
        }
    }
}
