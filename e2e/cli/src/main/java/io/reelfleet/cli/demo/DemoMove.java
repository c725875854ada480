package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.SessionMove;
import io.reelfleet.cli.demo.Results.Film;
import io.reelfleet.cli.demo.SessionRecording.StoredChunk;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * A session's way to another worker during a demo.
 *
 * @param move as the operator tells it
 * @param at seconds since the demo's begin when it was wanted
 * @param session its name
 * @param lateness of the first chunk that its new worker stored: seconds from due until stored,
 *     which is what a viewer notices; empty where it stored none
 */
record DemoMove(SessionMove move, double at, String session, OptionalDouble lateness) {

    /** Those of a demo's sessions, in the order in which they were wanted. */
    static List<DemoMove> of(DemoRecord record, List<Film> films) {
        Map<String, Film> byUid = new HashMap<>();
        films.forEach(film -> byUid.put(film.driven().uid(), film));
        return record.pool().getMovesList().stream()
                .filter(move -> byUid.containsKey(move.getSessionUid()))
                .map(move -> of(move, record.begin(), byUid.get(move.getSessionUid())))
                .toList();
    }

    private static DemoMove of(SessionMove move, Instant begin, Film film) {
        Instant ordered =
                Instant.ofEpochSecond(
                        move.getOrderedAt().getSeconds(), move.getOrderedAt().getNanos());
        OptionalDouble lateness =
                film.chunks().stream()
                        .filter(chunk -> chunk.worker().equals(move.getTo()))
                        .filter(chunk -> !chunk.storedAt().isBefore(ordered))
                        .mapToDouble(StoredChunk::latency)
                        .findFirst();
        return new DemoMove(
                move,
                Duration.between(begin, ordered).toMillis() / 1000.0,
                film.driven().name(),
                lateness);
    }
}
