package io.reelfleet.operator.fleet;

import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.operator.fleet.MoveView.Figures;
import io.reelfleet.operator.fleet.MoveView.Outcome;
import io.reelfleet.operator.fleet.MoveView.Transport;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * The last moves of a pool. A move ends by whichever worker says so first, and its figures come
 * with the source's next report: it is told to the listener once, when both are known. Touched by
 * the loop's thread only.
 */
final class MoveJournal {
    /** Older ones are forgotten. */
    static final int MOST = 100;

    /** A source that has not given its figures by then has died or knows none. */
    private static final long FIGURES_MILLIS = 5_000;

    private static final class Entry {
        MoveView view;
        long endedAt;
        boolean told;
    }

    private final Map<String, Entry> moves = new LinkedHashMap<>();
    private final Consumer<MoveView> told;

    /**
     * @param told gets each move once, when it has ended and its figures are there
     */
    MoveJournal(Consumer<MoveView> told) {
        this.told = told;
    }

    void ordered(
            String id,
            SessionEntry s,
            String from,
            String to,
            String reason,
            Transport transport,
            long now) {
        Entry e = new Entry();
        e.view =
                new MoveView(
                        id,
                        s.uid,
                        s.spec().getName(),
                        from,
                        to,
                        reason,
                        transport,
                        Instant.ofEpochMilli(now),
                        Outcome.UNDER_WAY,
                        "",
                        null);
        moves.put(id, e);
        if (moves.size() > MOST) {
            moves.remove(moves.keySet().iterator().next());
        }
    }

    /** It ended; the first word counts. */
    void ended(String id, Outcome outcome, String sentence, long now) {
        Entry e = moves.get(id);
        if (e == null || e.view.outcome() != Outcome.UNDER_WAY) {
            return;
        }
        MoveView v = e.view;
        e.view = with(v, outcome, outcome == Outcome.MOVED ? "" : sentence, v.figures());
        e.endedAt = now;
        tell(e, now);
    }

    /** A worker's report of an ended move; those of the source have figures. */
    void reported(String worker, MoveReport r, long now) {
        Entry e = moves.get(r.getMove().getId());
        if (e == null
                || e.view.figures() != null
                || !worker.equals(e.view.from())
                || LiveMove.outcome(r.getOutcome()).isEmpty()
                || r.getSeconds() <= 0) {
            return;
        }
        e.view =
                with(
                        e.view,
                        e.view.outcome(),
                        e.view.sentence(),
                        new Figures(
                                r.getPrecopyBytes(),
                                r.getRestBytes(),
                                r.getPauseS(),
                                r.getSeconds()));
        tell(e, now);
    }

    /**
     * Time goes on.
     *
     * @param goesOn whether the loop still drives that move
     */
    void tick(Predicate<MoveView> goesOn, long now) {
        for (Entry e : moves.values()) {
            if (e.view.outcome() == Outcome.UNDER_WAY && !goesOn.test(e.view)) {
                ended(
                        e.view.id(),
                        Outcome.LOST,
                        "the session ended or lost its worker meanwhile",
                        now);
            }
            tell(e, now);
        }
    }

    /** From the oldest to the newest. */
    List<MoveView> views() {
        List<MoveView> views = new ArrayList<>();
        moves.values().forEach(e -> views.add(e.view));
        return List.copyOf(views);
    }

    private void tell(Entry e, long now) {
        boolean complete =
                e.view.figures() != null
                        || e.view.transport() == Transport.LOG
                        || now - e.endedAt >= FIGURES_MILLIS;
        if (!e.told && e.view.outcome() != Outcome.UNDER_WAY && complete) {
            e.told = true;
            told.accept(e.view);
        }
    }

    private static MoveView with(MoveView v, Outcome outcome, String sentence, Figures figures) {
        return new MoveView(
                v.id(),
                v.session(),
                v.name(),
                v.from(),
                v.to(),
                v.reason(),
                v.transport(),
                v.orderedAt(),
                outcome,
                sentence,
                figures);
    }
}
