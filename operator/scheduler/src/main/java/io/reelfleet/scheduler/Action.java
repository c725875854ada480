package io.reelfleet.scheduler;

/** One thing to do. Every action may be carried out twice without harm. */
public sealed interface Action {

    /** Build a session's state on a worker (from its log, or new) and generate there. */
    record Place(String session, String worker) implements Action {}

    /** Take a session from one worker to another. */
    record Move(String session, String from, String to) implements Action {}

    /** Take a session's state off the device, into its worker's host memory. */
    record Suspend(String session, String worker) implements Action {}

    /** Bring a suspended session's state back onto its worker's device. */
    record Resume(String session, String worker) implements Action {}

    /** Drop a session's state from a worker: its log holds all that is needed. */
    record Release(String session, String worker) implements Action {}

    /** Ask for more workers. */
    record RequestWorkers(int count) implements Action {}

    /** No new sessions on this worker, and its sessions leave. */
    record DrainWorker(String worker) implements Action {}

    /** Give an empty worker back. */
    record ReleaseWorker(String worker) implements Action {}
}
