package io.reelfleet.scheduler;

import java.util.List;

/**
 * What to do, and why.
 *
 * @param wantedWorkers how many workers there should be
 * @param limited whether more would be wanted than the pool's maximum
 * @param actions in the order in which they should be started
 * @param reason one sentence that explains {@code wantedWorkers}
 * @param wakeAtMillis when to ask again if nothing happens before; 0: soon (the policy cannot say),
 *     {@link Long#MAX_VALUE}: not before something happens
 * @param unlimitedWorkers how many there would be without the pool's maximum
 */
public record Plan(
        int wantedWorkers,
        boolean limited,
        List<Action> actions,
        String reason,
        long wakeAtMillis,
        int unlimitedWorkers) {

    /** Copies the list. */
    public Plan {
        actions = List.copyOf(actions);
    }

    /** A plan that the maximum does not hold back. */
    public Plan(
            int wantedWorkers,
            boolean limited,
            List<Action> actions,
            String reason,
            long wakeAtMillis) {
        this(wantedWorkers, limited, actions, reason, wakeAtMillis, wantedWorkers);
    }

    /** The same with another reason. */
    public Plan because(String why) {
        return new Plan(wantedWorkers, limited, actions, why, wakeAtMillis, unlimitedWorkers);
    }

    /** A plan that does not say when it should be looked at again. */
    public Plan(int wantedWorkers, boolean limited, List<Action> actions, String reason) {
        this(wantedWorkers, limited, actions, reason, 0);
    }
}
