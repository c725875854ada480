package io.reelfleet.operator.fleet;

import io.reelfleet.api.runtime.v1.Hello;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.operator.workers.Leaving;
import io.reelfleet.operator.workers.WorkerLink;
import io.reelfleet.scheduler.WorkerSnapshot;
import java.time.Instant;
import java.util.HashSet;
import java.util.Set;

/** What the loop knows of one worker; touched by the loop's thread only. */
final class WorkerEntry {
    final String name;
    final long requestedAt;

    /** Found at the provider by a loop that did not request it. */
    final boolean found;

    /** When the provider had answered Start; 0 before. */
    long startedAt;

    String endpoint;
    WorkerLink link;

    /** Counts links, so that a late report of a closed one is told apart. */
    long linkNumber;

    long dialedAt;

    /** Of the last report; 0 before the first. */
    long heardAt;

    WorkerPhase reported = WorkerPhase.WORKER_PHASE_UNSPECIFIED;
    Hello hello = Hello.getDefaultInstance();
    long deviceBytesUsed;
    String message = "";
    long readyAt;
    long emptySince;
    boolean unknown;

    /** Its provider means to take it away; null when not. */
    Leaving provided;

    /** It has said itself that it ends then; null when not. */
    Instant endsBy;

    /** A worker of a newer image has taken its place. */
    boolean replaced;

    /** It has been said that it is to be emptied. */
    boolean announced;

    /** While it empties: when the last session left it, or when it began to. */
    long lastLeftAt;

    /** While it empties: how many sessions went live, and how many for their logs. */
    int wentLive;

    int wentToStore;

    String node = "";
    String image = "";

    /** The policy wants it empty. */
    boolean draining;

    boolean drainSent;

    /** It was told to drain for a reason that has gone, and is told to stop that. */
    boolean undraining;

    /** Told to drain or to stop that, so often. */
    int drains;

    final Backoff drain = new Backoff(200, 5_000);

    /** It is being given back: it counts no longer. */
    boolean stopping;

    boolean stopSent;
    final Backoff stop = new Backoff(500, 10_000);
    boolean occupied;

    /** What it keeps of sessions' chunks, as it was last told; null when it was not. */
    GPUPoolSpec.Retention keeps;

    /** Logs that it was told to end, and whose end it has not noticed yet. */
    final Set<String> abandoned = new HashSet<>();

    /** Sessions that it holds though they are not its own, and whose release is under way. */
    final Set<String> strays = new HashSet<>();

    final LatencyWindow latency = new LatencyWindow();

    /** Ordinary sessions whose chunks it made, as of the last step. */
    double serves;

    WorkerEntry(String name, long requestedAt, boolean found) {
        this.name = name;
        this.requestedAt = requestedAt;
        this.found = found;
    }

    /** Why it will be taken away, the most urgent reason; null when it will not. */
    Leaving leaving() {
        if (endsBy != null) {
            return new Leaving(
                    Leaving.Reason.TOLD_TO_END, "it has been told to end (SIGTERM)", endsBy);
        }
        if (provided != null) {
            return provided;
        }
        return replaced
                ? new Leaving(
                        Leaving.Reason.OLD_IMAGE,
                        "the pool's image is not " + image + " any more",
                        null)
                : null;
    }

    /** Whether its sessions are to leave. */
    boolean emptying() {
        return leaving() != null || phase() == WorkerSnapshot.Phase.DRAINING;
    }

    WorkerSnapshot.Phase phase() {
        if (unknown) {
            return WorkerSnapshot.Phase.UNKNOWN;
        }
        if (draining || reported == WorkerPhase.WORKER_PHASE_DRAINING) {
            return WorkerSnapshot.Phase.DRAINING;
        }
        return switch (reported) {
            case WORKER_PHASE_READY -> WorkerSnapshot.Phase.READY;
            case WORKER_PHASE_LOADING, WORKER_PHASE_FAILED -> WorkerSnapshot.Phase.LOADING;
            case WORKER_PHASE_DRAINING -> WorkerSnapshot.Phase.DRAINING;
            case WORKER_PHASE_UNSPECIFIED, UNRECOGNIZED ->
                    endpoint == null
                            ? WorkerSnapshot.Phase.REQUESTED
                            : WorkerSnapshot.Phase.LOADING;
        };
    }

    /** The type of its GPU; empty while it has not said. */
    String gpu() {
        return hello.getDevice();
    }

    boolean failed() {
        return reported == WorkerPhase.WORKER_PHASE_FAILED;
    }

    String title() {
        return switch (phase()) {
            case REQUESTED -> "Requested";
            case LOADING -> "Loading";
            case READY -> "Ready";
            case DRAINING -> "Draining";
            case UNKNOWN -> "Unknown";
        };
    }
}
