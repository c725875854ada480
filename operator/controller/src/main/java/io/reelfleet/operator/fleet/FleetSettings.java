package io.reelfleet.operator.fleet;

import java.time.Duration;

/**
 * How patient a fleet loop is.
 *
 * @param tickMillis it wakes at least this often
 * @param barrierMillis after its start it waits for workers' reports at most this long
 * @param silentMillis a worker that has not reported for so long is Unknown and its sessions are
 *     frozen
 * @param fenceMillis a worker that has not reported for so long is given up and its sessions go
 *     elsewhere
 * @param holdMillis a session that somebody moved by hand stays where it was moved for so long
 *     before the policy may move it again, unless its worker is to be emptied
 * @param moveBytesPerSecond what a live move sends at most before its cut-over; 0 for no limit
 */
public record FleetSettings(
        long tickMillis,
        long barrierMillis,
        long silentMillis,
        long fenceMillis,
        long holdMillis,
        long moveBytesPerSecond) {

    /** Reports come each second; the barrier is the design's 5 s. */
    public static FleetSettings of(Duration workerTimeout, Duration hold, long moveBytesPerSecond) {
        long fence = Math.max(workerTimeout.toMillis(), 1_000);
        return new FleetSettings(
                100, 5_000, Math.min(3_000, fence / 2), fence, hold.toMillis(), moveBytesPerSecond);
    }
}
