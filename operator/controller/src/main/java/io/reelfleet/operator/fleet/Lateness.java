package io.reelfleet.operator.fleet;

import java.util.Collection;

/**
 * Session-seconds of video that were wanted, and those of them that came late, as a policy's
 * learner is told them. Chunks count when workers report them; the time in which a session that
 * wants chunks gets none (no worker, a worker still to start, its turn not come) counts while it
 * passes, so that nobody learns of a long wait only when it is over. The first chunk after a wait
 * is late because of that wait and is not counted again.
 *
 * <p>What passes before the pool's first worker is ready is due but not late, as in replay: no
 * decision could have avoided it. Belongs to the loop's thread.
 */
final class Lateness {
    private double due;
    private double late;
    private double waited;
    private long firstReady = Long.MAX_VALUE;
    private long countedUntil = Long.MIN_VALUE;

    /** A worker takes sessions. */
    void workerReady(long now) {
        firstReady = Math.min(firstReady, now);
    }

    /**
     * Time passes until now.
     *
     * @param targetMillis the chunk latency that is still in time
     */
    void pass(Collection<SessionEntry> sessions, long now, long targetMillis) {
        for (SessionEntry s : sessions) {
            if (!s.demands() || s.frozen) {
                s.owedSince = 0;
                continue;
            }
            if (s.unserved() && s.owedSince == 0) {
                s.owedSince = Math.min(now, s.waitingSince);
                s.owedLate = 0;
            }
            if (s.owedSince == 0) {
                continue;
            }
            long from = Math.max(countedUntil, s.owedSince);
            due += Math.max(0, now - from) / 1000.0;
            if (firstReady <= now) {
                long inTime = Math.max(s.owedSince, firstReady) + targetMillis;
                double seconds = Math.max(0, now - Math.max(from, inTime)) / 1000.0;
                s.owedLate += seconds;
                late += seconds;
                waited += seconds;
            }
        }
        countedUntil = now;
    }

    /**
     * A worker reports a chunk.
     *
     * @param s whose it is; null when nobody knows it any longer
     * @param seconds of video in it
     * @return whether its session had waited for it
     */
    boolean chunk(SessionEntry s, boolean isLate, double seconds) {
        due += seconds;
        double counted = 0;
        boolean waitedFor = s != null && s.owedSince != 0 && !s.unserved();
        if (waitedFor) {
            boolean excused = s.owedSince < firstReady;
            counted = excused ? seconds : s.owedLate;
            s.owedSince = 0;
        }
        late += isLate ? Math.max(0, seconds - counted) : 0;
        return waitedFor;
    }

    /** Session-seconds that were wanted. */
    double dueSeconds() {
        return due;
    }

    /** Session-seconds of those that came late, or have not come and are late by now. */
    double lateSeconds() {
        return late;
    }

    /** Session-seconds that sessions waited for their turn beyond the latency target. */
    double waitedSeconds() {
        return waited;
    }
}
