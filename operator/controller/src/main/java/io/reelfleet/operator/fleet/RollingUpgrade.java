package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.WorkerSnapshot;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;

/**
 * Replaces the workers of an old image, one after the other: a new worker is started beside them,
 * which the policy does not count yet; once it is ready it takes the place of an old one, and that
 * one is emptied. So capacity never falls below what it was, and an image that does not come up
 * costs no session its worker.
 */
final class RollingUpgrade {
    /** So long a new worker may find no node before an old one makes room for it. */
    static final long ROOM_MILLIS = 60_000;

    private static final String NO_ROOM = "Unschedulable";

    /** What the loop is to do. */
    sealed interface Step {
        /** Nothing. */
        record Wait() implements Step {}

        /** Start a worker and say so by {@link #started}. */
        record Start() implements Step {}

        /** Empty an old one. */
        record Replace(WorkerEntry old) implements Step {}

        /** Give a worker back that is of no use any more. */
        record GiveBack(WorkerEntry useless) implements Step {}
    }

    private String surge = "";

    /** Whether the policy is not to count a worker yet. */
    boolean hides(WorkerEntry w) {
        return w.name.equals(surge);
    }

    /** The worker that was asked for by {@link Step.Start}. */
    void started(String worker) {
        surge = worker;
    }

    /**
     * What follows.
     *
     * @param image that a worker would be started with now; empty where there are none
     */
    Step look(Map<String, WorkerEntry> workers, String image, long now) {
        WorkerEntry fresh = workers.get(surge);
        if (fresh == null || fresh.stopping) {
            surge = "";
            fresh = null;
        }
        if (fresh != null && old(fresh, image)) {
            surge = "";
            return new Step.GiveBack(fresh);
        }
        Optional<WorkerEntry> next = next(workers.values(), image);
        if (next.isEmpty()) {
            // Whoever is left is of this image: the new one counts like the others.
            surge = "";
            return new Step.Wait();
        }
        if (fresh == null) {
            boolean underWay =
                    workers.values().stream()
                            .anyMatch(w -> !w.stopping && w.replaced && w.emptying());
            return underWay ? new Step.Wait() : new Step.Start();
        }
        if (fresh.phase() == WorkerSnapshot.Phase.READY || findsNoRoom(fresh, now)) {
            surge = "";
            return new Step.Replace(next.get());
        }
        return new Step.Wait();
    }

    private static boolean findsNoRoom(WorkerEntry w, long now) {
        return w.message.startsWith(NO_ROOM) && now - w.requestedAt >= ROOM_MILLIS;
    }

    /** Those that serve nobody yet go first. */
    private static Optional<WorkerEntry> next(Collection<WorkerEntry> workers, String image) {
        return workers.stream()
                .filter(w -> !w.stopping && !w.emptying() && old(w, image))
                .min(
                        Comparator.comparing((WorkerEntry w) -> w.occupied)
                                .thenComparing(w -> w.requestedAt));
    }

    private static boolean old(WorkerEntry w, String image) {
        return !image.isEmpty() && !w.image.isEmpty() && !w.image.equals(image);
    }
}
