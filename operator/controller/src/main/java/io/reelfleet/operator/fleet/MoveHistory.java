package io.reelfleet.operator.fleet;

import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.Transport;
import io.reelfleet.migration.protocol.CoordinatorState;
import io.reelfleet.migration.protocol.Move;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The pool's last moves. What a move's source measured comes with its reports, before or after the
 * loop knows how the move ended.
 */
final class MoveHistory {
    private static final int MOST = 200;

    private final Map<String, MoveView> moves =
            new LinkedHashMap<>() {
                private static final long serialVersionUID = 1;

                @Override
                protected boolean removeEldestEntry(Map.Entry<String, MoveView> eldest) {
                    return size() > MOST;
                }
            };

    /** Null when it is to be made anew. */
    private List<MoveView> published = List.of();

    void ordered(Move move, String session, Transport transport, long now) {
        put(
                view(
                        move.id(),
                        session,
                        move.epoch(),
                        move.source(),
                        move.target(),
                        transport == Transport.TRANSPORT_STORE
                                ? MoveView.Road.STORE
                                : MoveView.Road.DIRECT,
                        null,
                        now));
    }

    void ended(Move move, CoordinatorState.Result result, String sentence) {
        MoveView known = moves.get(move.id());
        if (known == null) {
            return;
        }
        put(
                switch (result) {
                    case MOVED -> known.ended(MoveView.Result.MOVED, "");
                    case KEPT -> known.ended(MoveView.Result.KEPT, sentence);
                    case LOST -> known.ended(MoveView.Result.LOST, sentence);
                });
    }

    /** A worker says of a move what it knows; the source's figures count, once. */
    void reported(String worker, MoveReport report) {
        MoveView known = moves.get(report.getMove().getId());
        if (known != null
                && !known.measured()
                && known.from().equals(worker)
                && report.getOutcome() == MoveOutcome.MOVE_OUTCOME_GONE) {
            put(
                    known.measured(
                            report.getPrecopyBytes(),
                            report.getRestBytes(),
                            report.getPauseS(),
                            report.getSeconds()));
        }
    }

    /** A session was released there and is admitted here. */
    void byLog(String id, String session, long epoch, String from, String to, long now) {
        put(view(id, session, epoch, from, to, MoveView.Road.LOG, MoveView.Result.MOVED, now));
    }

    /** In the order in which they were wanted. */
    List<MoveView> view() {
        if (published == null) {
            published = List.copyOf(moves.values());
        }
        return published;
    }

    private static MoveView view(
            String id,
            String session,
            long epoch,
            String from,
            String to,
            MoveView.Road road,
            MoveView.Result result,
            long now) {
        return new MoveView(
                id,
                Instant.ofEpochMilli(now),
                session,
                epoch,
                from,
                to,
                road,
                result,
                0,
                0,
                Double.NaN,
                Double.NaN,
                "");
    }

    private void put(MoveView move) {
        moves.put(move.id(), move);
        published = null;
    }
}
