package io.reelfleet.scheduler;

import java.util.List;

/**
 * What to do, and why.
 *
 * @param wantedWorkers how many workers there should be
 * @param limited whether more would be wanted than the pool's maximum
 * @param actions in the order in which they should be started
 * @param reason one sentence that explains {@code wantedWorkers}
 */
public record Plan(int wantedWorkers, boolean limited, List<Action> actions, String reason) {

    /** Copies the list. */
    public Plan {
        actions = List.copyOf(actions);
    }
}
