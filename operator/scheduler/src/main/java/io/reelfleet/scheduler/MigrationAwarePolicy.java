package io.reelfleet.scheduler;

/**
 * Late chunks within the pool's budget, then the fewest GPU-seconds, then the lowest worst latency,
 * then the fewest moves.
 *
 * <ul>
 *   <li>{@link Autoscaler}: how many workers, from what a {@link DemandLearner} has made of the
 *       past.
 *   <li>Placement: a session that wakes stays where its state is while there is room; otherwise the
 *       least loaded worker takes it. Sessions for which there is no room wait, so that the others
 *       are on time; they take turns.
 *   <li>Rebalancer: the most loaded worker gives to the least loaded one while it has more than one
 *       above the average and the move is worth its time.
 *   <li>Consolidation is a regime of its own: while a worker empties, nothing is spread.
 * </ul>
 *
 * <p>A decision reads what it is given and nothing else; the arrays kept between decisions are room
 * to work in. For one thread.
 */
public final class MigrationAwarePolicy implements Policy {
    private Drafting drafting = new Drafting();

    /** A policy with no memory. */
    public MigrationAwarePolicy() {}

    @Override
    public Plan decide(FleetSnapshot snapshot) {
        return decide(Fleet.of(snapshot));
    }

    @Override
    public Plan decide(Fleet fleet) {
        return drafting.plan(fleet);
    }

    @Override
    public Learner learner(PoolSettings pool) {
        return pool.mode() == PoolSettings.Mode.PREDICTIVE ? new DemandLearner(pool) : Learner.NONE;
    }
}
