package io.reelfleet.server;

import io.quarkus.runtime.Quarkus;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.process.MonotonicClock;
import io.reelfleet.process.TermSignal;
import io.reelfleet.server.session.SessionLoop;
import jakarta.inject.Singleton;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What SIGTERM does: the worker says in its reports that it leaves, and by when; it goes on
 * generating while the operator moves its sessions away, and ends once none is left, or just before
 * its grace is over, at a step boundary with its logs whole. A second SIGTERM ends it at once.
 */
@Singleton
final class Departure {
    private static final Logger LOG = LoggerFactory.getLogger(Departure.class);

    /** What stopping takes: chunks on their way into the log, viewers' streams, the JVM. */
    private static final Duration LONGEST_STOP = Duration.ofSeconds(8);

    private static final long LOOK_MILLIS = 100;

    /** So many looks in a row find it empty before it ends: its last report is out by then. */
    private static final int EMPTY_LOOKS = 4;

    private final Worker worker;
    private final ReportStream reports;
    // A clock that is set forward would end it with its sessions still here.
    private final Clock clock = new MonotonicClock();
    private final AtomicBoolean leaving = new AtomicBoolean();
    private Instant ends;
    private int empty;

    Departure(Worker worker, ReportStream reports) {
        this.worker = worker;
        this.reports = reports;
    }

    /** From now on SIGTERM does this; without a grace it ends the process as ever. */
    void prepare(Duration grace) {
        if (!grace.isZero() && !TermSignal.handle(() -> told(grace))) {
            LOG.warn("SIGTERM cannot be handled here: it will end this worker at once");
        }
    }

    private void told(Duration grace) {
        if (!leaving.compareAndSet(false, true)) {
            LOG.info("told to end once more: ending now");
            end();
            return;
        }
        SessionLoop loop = worker.loop();
        if (loop == null || loop.phase() == SessionLoop.Phase.LOADING || empty(loop)) {
            LOG.info("told to end; no session here");
            end();
            return;
        }
        ends = clock.instant().plus(grace).minus(reserve(grace));
        LOG.info(
                "told to end: {} sessions here go on until they have moved, until {} at most",
                loop.sessions().size(),
                ends);
        reports.endsBy(ends);
        loop.drain("told to end (SIGTERM)").whenComplete((done, failure) -> follow());
    }

    /** What is kept back of a grace for stopping itself. */
    static Duration reserve(Duration grace) {
        Duration part = grace.dividedBy(2);
        return part.compareTo(LONGEST_STOP) < 0 ? part : LONGEST_STOP;
    }

    private void follow() {
        ScheduledExecutorService looks =
                Executors.newSingleThreadScheduledExecutor(
                        Thread.ofPlatform().daemon().name("departure").factory());
        looks.scheduleWithFixedDelay(this::look, 0, LOOK_MILLIS, TimeUnit.MILLISECONDS);
    }

    private void look() {
        SessionLoop loop = worker.loop();
        empty = empty(loop) ? empty + 1 : 0;
        if (empty >= EMPTY_LOOKS) {
            LOG.info("empty: ending");
            end();
        } else if (!clock.instant().isBefore(ends)) {
            LOG.warn(
                    "the grace is nearly over: ending with {} sessions, which go on from their logs",
                    loop.sessions().size());
            end();
        }
    }

    /** The sessions first: what then streams to viewers ends too, and the rest need not wait. */
    private void end() {
        SessionLoop loop = worker.loop();
        try {
            if (loop != null) {
                loop.stop();
            }
            reports.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            Quarkus.asyncExit(0);
        }
    }

    private static boolean empty(SessionLoop loop) {
        return loop.sessions().stream()
                        .allMatch(
                                s ->
                                        s.getState() == SessionState.SESSION_STATE_COMPLETED
                                                || s.getState()
                                                        == SessionState.SESSION_STATE_FAILED)
                && loop.moves().stream()
                        .noneMatch(
                                m ->
                                        m.getOutcomeValue()
                                                <= MoveOutcome.MOVE_OUTCOME_PREPARED_VALUE);
    }
}
