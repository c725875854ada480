package io.reelfleet.operator.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.Learner;
import io.reelfleet.scheduler.MigrationAwarePolicy;
import io.reelfleet.scheduler.Outlook;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.Policy;
import io.reelfleet.scheduler.PoolSettings;

/** The usual policy, whose learner only listens to what the loop says of lateness. */
final class Listening implements Policy {
    private final Policy policy = new MigrationAwarePolicy();
    double due;
    double late;

    /** What was decided on last. */
    FleetSnapshot seen;

    @Override
    public Plan decide(FleetSnapshot snapshot) {
        seen = snapshot;
        return policy.decide(snapshot);
    }

    @Override
    public Learner learner(PoolSettings pool) {
        return (now, demand, dueSeconds, lateSeconds) -> {
            assertThat(dueSeconds).isGreaterThanOrEqualTo(due);
            assertThat(lateSeconds).isGreaterThanOrEqualTo(late).isLessThanOrEqualTo(dueSeconds);
            due = dueSeconds;
            late = lateSeconds;
            return Outlook.NONE;
        };
    }
}
