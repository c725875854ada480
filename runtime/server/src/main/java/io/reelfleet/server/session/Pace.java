package io.reelfleet.server.session;

import io.reelfleet.api.session.v1.Pacing;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * When a session's next chunk is due. A chunk is generated when it is due, not before; its latency
 * counts from then.
 *
 * <p>Used by the loop's thread alone.
 */
sealed interface Pace {

    /**
     * When chunk {@code k}, which starts at {@code videoSeconds} of the session's video, is due;
     * empty = not foreseeable.
     */
    Optional<Instant> due(long k, double videoSeconds);

    /** Whether chunks are wanted at all at this time. */
    boolean active(Instant now);

    /** A due chunk's turn has come. */
    default void begun(Instant now) {}

    /** A chunk was generated: the next one's time is set. */
    void generated(Instant now);

    /** A chunk was stored. */
    void stored(Instant now);

    /**
     * The time from {@code since} until now did not count: the session was suspended, or its store
     * was full.
     */
    void shift(Instant since, Instant now);

    /** A viewer is there and has played up to {@code playedSeconds}. */
    default void heartbeat(String viewer, double playedSeconds, Instant now) {}

    /** The schedule as another worker can go on with it. */
    io.reelfleet.api.migration.v1.Pace.Builder save();

    /** Goes on with the schedule of another worker. */
    void restore(io.reelfleet.api.migration.v1.Pace saved);

    private static Instant instant(com.google.protobuf.Timestamp at) {
        return Instant.ofEpochSecond(at.getSeconds(), at.getNanos());
    }

    static Pace of(Pacing pacing, PaceSettings settings, double intervalSeconds, Instant now) {
        Duration interval = seconds(intervalSeconds);
        return switch (pacing) {
            case PACING_VIEWER -> new Viewer(settings, intervalSeconds, now);
            case PACING_UNPACED -> new Unpaced(now);
            case PACING_REALTIME, PACING_UNSPECIFIED, UNRECOGNIZED -> new Realtime(interval, now);
        };
    }

    static Duration seconds(double seconds) {
        return Duration.ofNanos(Math.round(seconds * 1e9));
    }

    /**
     * One chunk per interval of wall time, viewer or not.
     *
     * <p>The schedule starts when the first chunk's turn has come, after an admission and after a
     * suspension: sessions that arrive together then keep out of each other's way for good, where
     * equal due times would make the last of them wait for all others each time.
     */
    final class Realtime implements Pace {
        /**
         * Who is further behind than this has long stalled its viewers: the schedule starts anew.
         */
        private static final int MOST_BEHIND = 8;

        private final Duration interval;
        private Instant next;
        private boolean starting = true;

        Realtime(Duration interval, Instant now) {
            this.interval = interval;
            this.next = now;
        }

        @Override
        public Optional<Instant> due(long k, double videoSeconds) {
            return Optional.of(next);
        }

        @Override
        public boolean active(Instant now) {
            return true;
        }

        @Override
        public void begun(Instant now) {
            if (starting) {
                next = now;
                starting = false;
            }
        }

        @Override
        public void generated(Instant now) {
            next = next.plus(interval);
            if (next.plus(interval.multipliedBy(MOST_BEHIND)).isBefore(now)) {
                next = now;
            }
        }

        @Override
        public void stored(Instant now) {}

        @Override
        public io.reelfleet.api.migration.v1.Pace.Builder save() {
            return io.reelfleet.api.migration.v1.Pace.newBuilder()
                    .setNext(SessionLoop.timestamp(next))
                    .setStarting(starting);
        }

        @Override
        public void restore(io.reelfleet.api.migration.v1.Pace saved) {
            next = instant(saved.getNext());
            starting = saved.getStarting();
        }

        @Override
        public void shift(Instant since, Instant now) {
            Duration lost = Duration.between(since.isAfter(next) ? next : since, now);
            next = since.isAfter(next) ? now : next.plus(lost);
            starting = true;
        }
    }

    /** As fast as the worker allows. */
    final class Unpaced implements Pace {
        private Instant next;

        Unpaced(Instant now) {
            this.next = now;
        }

        @Override
        public Optional<Instant> due(long k, double videoSeconds) {
            return Optional.of(next);
        }

        @Override
        public boolean active(Instant now) {
            return true;
        }

        @Override
        public void generated(Instant now) {
            next = now;
        }

        @Override
        public void stored(Instant now) {
            next = now;
        }

        @Override
        public io.reelfleet.api.migration.v1.Pace.Builder save() {
            return io.reelfleet.api.migration.v1.Pace.newBuilder()
                    .setNext(SessionLoop.timestamp(next));
        }

        @Override
        public void restore(io.reelfleet.api.migration.v1.Pace saved) {
            next = instant(saved.getNext());
        }

        @Override
        public void shift(Instant since, Instant now) {
            next = now;
        }
    }

    /**
     * No further ahead of the newest play position than the buffer allows; no viewer, no chunks.
     */
    final class Viewer implements Pace {
        /** Between heartbeats a viewer is taken to play on, at most for this long. */
        private static final Duration PLAYS_ON = Duration.ofSeconds(2);

        private record Seen(double playedSeconds, Instant at) {}

        private final double aheadSeconds;
        private final Duration timeout;
        private final Map<String, Seen> viewers = new HashMap<>();
        private Instant notBefore;

        Viewer(PaceSettings settings, double intervalSeconds, Instant now) {
            this.aheadSeconds = settings.viewerBuffer() * intervalSeconds;
            this.timeout = settings.viewerTimeout();
            this.notBefore = now;
        }

        @Override
        public Optional<Instant> due(long k, double videoSeconds) {
            Optional<Instant> due = Optional.empty();
            for (Seen seen : viewers.values()) {
                double missing = videoSeconds - aheadSeconds - seen.playedSeconds;
                if (missing <= PLAYS_ON.toMillis() / 1e3) {
                    Instant at = seen.at.plus(seconds(missing));
                    if (due.isEmpty() || at.isBefore(due.get())) {
                        due = Optional.of(at);
                    }
                }
            }
            return due.map(at -> at.isBefore(notBefore) ? notBefore : at);
        }

        @Override
        public boolean active(Instant now) {
            viewers.values().removeIf(seen -> seen.at.plus(timeout).isBefore(now));
            return !viewers.isEmpty();
        }

        @Override
        public void generated(Instant now) {
            notBefore = now;
        }

        @Override
        public void stored(Instant now) {
            notBefore = now;
        }

        @Override
        public io.reelfleet.api.migration.v1.Pace.Builder save() {
            io.reelfleet.api.migration.v1.Pace.Builder saved =
                    io.reelfleet.api.migration.v1.Pace.newBuilder()
                            .setNext(SessionLoop.timestamp(notBefore));
            viewers.forEach(
                    (name, seen) ->
                            saved.addViewersBuilder()
                                    .setName(name)
                                    .setPlayedS(seen.playedSeconds)
                                    .setAt(SessionLoop.timestamp(seen.at)));
            return saved;
        }

        @Override
        public void restore(io.reelfleet.api.migration.v1.Pace saved) {
            notBefore = instant(saved.getNext());
            saved.getViewersList()
                    .forEach(
                            viewer ->
                                    viewers.put(
                                            viewer.getName(),
                                            new Seen(
                                                    viewer.getPlayedS(), instant(viewer.getAt()))));
        }

        @Override
        public void shift(Instant since, Instant now) {
            notBefore = now;
        }

        @Override
        public void heartbeat(String viewer, double playedSeconds, Instant now) {
            if (!active(now)) {
                // The first viewer after a pause: chunks are due from now on.
                notBefore = now;
            }
            viewers.put(viewer, new Seen(playedSeconds, now));
        }
    }
}
