package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.PoolSettings;
import java.time.Duration;

/**
 * How long a worker gets from SIGTERM until it is killed. In that time another one must start where
 * there is no room, and each of its sessions be moved, one after the other:
 *
 * <pre>grace = stop + start-up + C x (state bytes / link rate + overhead), from 30 s to 10 min
 * </pre>
 */
final class Grace {
    static final Duration LEAST = Duration.ofSeconds(30);
    static final Duration MOST = Duration.ofMinutes(10);

    /** A worker ends so long before its grace does. */
    private static final double STOP_SECONDS = 8;

    /** What a move takes beside its bytes. */
    private static final double OVERHEAD_SECONDS = 1;

    /** Bytes a second: a cautious figure for one transfer between two workers. */
    private static final double LINK_RATE = 500e6;

    private Grace() {}

    /**
     * Of a worker of this pool.
     *
     * @param stateBytes of one session; 0 while no worker has told
     */
    static Duration of(PoolSettings pool, long stateBytes) {
        double each = stateBytes / LINK_RATE + OVERHEAD_SECONDS;
        double seconds = STOP_SECONDS + pool.startUpMillis() / 1000.0 + pool.capacity() * each;
        return Duration.ofSeconds(
                Math.clamp((long) Math.ceil(seconds), LEAST.toSeconds(), (int) MOST.toSeconds()));
    }
}
