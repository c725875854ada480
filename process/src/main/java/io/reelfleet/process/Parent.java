package io.reelfleet.process;

/** {@code reelfleet.parent-pid}: ends this process with another one. */
public final class Parent {

    private Parent() {}

    /**
     * Calls {@code end} once that process is gone; at once when it is gone already.
     *
     * @param pid of the parent
     */
    public static void follow(long pid, Runnable end) {
        ProcessHandle.of(pid).ifPresentOrElse(parent -> parent.onExit().thenRun(end), end);
    }
}
