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
 */
public record FleetSettings(
        long tickMillis, long barrierMillis, long silentMillis, long fenceMillis) {

    /** Reports come each second; the barrier is the design's 5 s. */
    public static FleetSettings of(Duration workerTimeout) {
        long fence = Math.max(workerTimeout.toMillis(), 1_000);
        return new FleetSettings(100, 5_000, Math.min(3_000, fence / 2), fence);
    }
}
