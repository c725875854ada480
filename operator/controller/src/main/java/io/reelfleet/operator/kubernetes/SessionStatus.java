package io.reelfleet.operator.kubernetes;

import io.reelfleet.crds.Condition;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.crds.VideoSessionStatus;
import io.reelfleet.operator.allocator.Allocator;
import io.reelfleet.operator.fleet.SessionView;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.List;

/**
 * What a VideoSession's status should be. Conditions are made here and nowhere else, and the phase
 * follows from them.
 */
final class SessionStatus {
    private SessionStatus() {}

    /** A session that no pool takes, and why. */
    record Refusal(String reason, String message) {}

    /**
     * @param refusal null when a pool has taken it
     * @param view null while the fleet loop knows nothing of it
     */
    static VideoSessionStatus of(
            VideoSession session,
            Refusal refusal,
            SessionView view,
            String gatewayUrl,
            Clock clock) {
        VideoSessionStatus before = session.getStatus();
        Long generation = session.getMetadata().getGeneration();
        Conditions conditions =
                new Conditions(before == null ? List.of() : before.conditions(), generation, clock);
        if (refusal != null) {
            conditions
                    .add(VideoSessionStatus.ACCEPTED, false, refusal.reason(), refusal.message())
                    .add(VideoSessionStatus.PLACED, false, refusal.reason(), "no worker has it")
                    .add(VideoSessionStatus.READY, false, refusal.reason(), refusal.message())
                    .add(VideoSessionStatus.FINISHED, false, "Unfinished", "it has not ended");
        } else if (view == null) {
            conditions
                    .add(
                            VideoSessionStatus.ACCEPTED,
                            Condition.Status.Unknown,
                            "Pending",
                            "the operator has not looked at it yet")
                    .add(
                            VideoSessionStatus.PLACED,
                            Condition.Status.Unknown,
                            "Pending",
                            "the operator has not looked at it yet")
                    .add(
                            VideoSessionStatus.READY,
                            false,
                            "Pending",
                            "the operator has not looked at it yet")
                    .add(VideoSessionStatus.FINISHED, false, "Unfinished", "it has not ended");
        } else {
            boolean placed = !view.worker().isEmpty();
            boolean finished = view.phase().finished();
            boolean refused =
                    view.phase() == SessionView.Phase.FAILED
                            && view.epoch() <= 1
                            && view.nextChunk() == 0;
            conditions
                    .add(
                            VideoSessionStatus.ACCEPTED,
                            !refused,
                            refused ? "Refused" : "Accepted",
                            refused ? view.message() : "the pool serves it")
                    .add(
                            VideoSessionStatus.PLACED,
                            placed,
                            placed ? "OnWorker" : finished ? "Finished" : view.reason(),
                            placed
                                    ? "worker " + view.worker() + " has it"
                                    : sentence(view, "no worker has it"))
                    .add(
                            VideoSessionStatus.READY,
                            view.phase() == SessionView.Phase.RUNNING,
                            view.phase() == SessionView.Phase.SUSPENDED
                                    ? "Suspended"
                                    : view.reason(),
                            sentence(view, ready(view)))
                    .add(
                            VideoSessionStatus.FINISHED,
                            finished,
                            finished ? view.phase().title() : "Unfinished",
                            finished
                                    ? sentence(view, "it has written all its chunks")
                                    : "it has not ended");
        }
        List<Condition> made = conditions.all();
        boolean failed = view != null && view.phase() == SessionView.Phase.FAILED;
        boolean known = view != null;
        String finishedAt =
                known && view.finishedAt() != null
                        ? view.finishedAt().truncatedTo(ChronoUnit.SECONDS).toString()
                        : before == null ? null : before.finishedAt();
        String startedAt = before == null ? null : before.startedAt();
        if (startedAt == null && known && !view.worker().isEmpty()) {
            startedAt = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        }
        return new VideoSessionStatus(
                phase(made),
                known && !view.worker().isEmpty() ? view.worker() : null,
                known ? Long.valueOf(view.epoch()) : before == null ? null : before.epoch(),
                refusal == null ? Allocator.url(gatewayUrl, session.getMetadata().getUid()) : null,
                refusal != null
                        ? refusal.message()
                        : failed
                                        || (known
                                                && view.phase() == SessionView.Phase.RUNNING
                                                && !view.message().isEmpty())
                                ? view.message()
                                : before == null || !known ? null : lastError(before, view),
                startedAt,
                finishedAt,
                generation,
                made);
    }

    private static String lastError(VideoSessionStatus before, SessionView view) {
        return view.message().contains("lost") ? view.message() : before.lastError();
    }

    private static String ready(SessionView view) {
        return switch (view.phase()) {
            case QUEUED -> "waiting for a worker";
            case RUNNING -> "it generates, or would at once when chunks are wanted";
            case SUSPENDED -> "spec.desired is Suspended; its state is kept off the GPU";
            case COMPLETED -> "it has written all its chunks";
            case FAILED -> "it has failed";
        };
    }

    private static String sentence(SessionView view, String otherwise) {
        return view.message().isEmpty() ? otherwise : view.message();
    }

    /** The phase, from the conditions alone. */
    static VideoSessionStatus.Phase phase(List<Condition> conditions) {
        Condition finished = Conditions.of(conditions, VideoSessionStatus.FINISHED);
        Condition ready = Conditions.of(conditions, VideoSessionStatus.READY);
        if (finished != null && finished.status() == Condition.Status.True) {
            return finished.reason().equals("Failed")
                    ? VideoSessionStatus.Phase.FAILED
                    : VideoSessionStatus.Phase.COMPLETED;
        }
        if (ready != null && ready.status() == Condition.Status.True) {
            return VideoSessionStatus.Phase.RUNNING;
        }
        return ready != null && ready.reason().equals("Suspended")
                ? VideoSessionStatus.Phase.SUSPENDED
                : VideoSessionStatus.Phase.QUEUED;
    }

    /** Whether a write is worth it: times of observation alone are not. */
    static boolean differs(VideoSessionStatus a, VideoSessionStatus b) {
        return a == null || !a.equals(b);
    }
}
