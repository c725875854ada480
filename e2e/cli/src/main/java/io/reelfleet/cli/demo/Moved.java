package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.MoveRecord;
import io.reelfleet.cli.demo.Results.Film;
import io.reelfleet.cli.demo.SessionRecording.Arrival;
import io.reelfleet.cli.demo.SessionRecording.StoredChunk;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A move as the operator told it, beside what the session's log has of it.
 *
 * @param told by the operator
 * @param at seconds since the demo's begin
 * @param inLog whether an owner entry of the session's log names it
 * @param chunksBefore how many chunks the log has before that entry
 * @param gapS seconds between the two chunks around it, as they could be watched; empty when the
 *     session did not stream through it
 */
record Moved(MoveRecord told, double at, boolean inLog, int chunksBefore, Optional<Double> gapS) {
    /** A chunk that was due so many intervals after the one before it belongs to another burst. */
    private static final double SAME_BURST = 1.5;

    static List<Moved> of(DemoRecord record, List<Film> films) {
        List<Moved> all = new ArrayList<>();
        for (MoveRecord move : record.moves()) {
            Instant ordered =
                    Instant.ofEpochSecond(
                            move.getOrderedAt().getSeconds(), move.getOrderedAt().getNanos());
            double at = Duration.between(record.begin(), ordered).toMillis() / 1000.0;
            Moved moved = new Moved(move, at, false, 0, Optional.empty());
            for (Film film : films) {
                for (Arrival arrival : film.arrivals()) {
                    if (film.driven().uid().equals(move.getSessionUid())
                            && arrival.move().equals(move.getId())) {
                        moved =
                                new Moved(
                                        move,
                                        at,
                                        true,
                                        arrival.nextChunk(),
                                        gap(
                                                film.chunks(),
                                                arrival.nextChunk(),
                                                record.calibration().chunkInterval()));
                    }
                }
            }
            all.add(moved);
        }
        return all;
    }

    static Optional<Double> gap(List<StoredChunk> chunks, int next, double interval) {
        if (next == 0 || next >= chunks.size()) {
            return Optional.empty();
        }
        StoredChunk after = chunks.get(next);
        double gap =
                Duration.between(chunks.get(next - 1).storedAt(), after.storedAt()).toNanos() / 1e9;
        return gap - after.latency() > SAME_BURST * interval ? Optional.empty() : Optional.of(gap);
    }

    boolean arrived() {
        return told.getOutcome().equals("Moved");
    }

    /** How long the session stood still, in ms; empty when its source did not say. */
    Optional<Double> stoodStillMs() {
        return arrived() && told.hasFigures()
                ? Optional.of(told.getFigures().getStoodStillMs())
                : Optional.empty();
    }

    /** p50, p95 and worst of some figures; zeros when there are none. */
    record Spread(double p50, double p95, double worst) {
        static Spread of(List<Double> figures) {
            List<Double> sorted = figures.stream().sorted().toList();
            return sorted.isEmpty()
                    ? new Spread(0, 0, 0)
                    : new Spread(at(sorted, 0.5), at(sorted, 0.95), sorted.getLast());
        }

        private static double at(List<Double> sorted, double share) {
            return sorted.get(Math.max(0, (int) Math.ceil(share * sorted.size() - 1e-9) - 1));
        }
    }
}
