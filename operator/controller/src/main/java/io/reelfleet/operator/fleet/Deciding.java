package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.DemandHistory;
import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.Learner;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.Policy;
import io.reelfleet.scheduler.PoolSettings;
import io.reelfleet.scheduler.SessionSnapshot;
import io.reelfleet.scheduler.StartUpLearner;
import io.reelfleet.scheduler.WorkerSnapshot;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import org.jboss.logging.Logger;

/**
 * Where one pool's plans come from: its policy and what that has learned, a shadow policy whose
 * plans are only compared, and the record of what was decided. Belongs to the loop's thread.
 */
public final class Deciding {
    private static final Logger LOG = Logger.getLogger(Deciding.class);

    /** How far back the demand is remembered. */
    private static final long DEMAND_WINDOW_MILLIS = 3_600_000;

    /** A start that took longer was not one: a node had to come first, or somebody stepped in. */
    private static final long LONGEST_START_MILLIS = 1_800_000;

    private final DecisionRecorder recorder;
    private final Policy fixed;
    private final DemandHistory.Recorder demand = new DemandHistory.Recorder(DEMAND_WINDOW_MILLIS);
    private final StartUpLearner startUp = new StartUpLearner();
    private final Set<String> measured = new HashSet<>();
    private Mind mind;
    private Mind shadow;
    private String names = "";
    private long shadowDiffers;
    private int shadowWanted = -1;

    /** One policy with what it has learned. */
    private static final class Mind {
        private final Policy policy;
        private PoolSettings learnedFor;
        private Learner learner = Learner.NONE;

        Mind(Policy policy) {
            this.policy = policy;
        }

        Plan decide(FleetSnapshot s, double load, double due, double late) {
            PoolSettings p = s.pool();
            if (learnedFor == null
                    || learnedFor.capacity() != p.capacity()
                    || learnedFor.mode() != p.mode()
                    || learnedFor.startUpMillis() != p.startUpMillis()
                    || learnedFor.lateBudget() != p.lateBudget()) {
                learner =
                        learnedFor == null || learnedFor.mode() != p.mode()
                                ? policy.learner(p)
                                : learner.with(p);
                learnedFor = p;
            }
            return policy.decide(
                    new FleetSnapshot(
                            s.nowMillis(),
                            p,
                            s.workers(),
                            s.sessions(),
                            s.demand(),
                            learner.observe(s.nowMillis(), load, due, late)));
        }
    }

    /**
     * What the shadow policy makes of the same snapshots.
     *
     * @param wanted workers it wants; -1 when there is no shadow policy
     * @param differs decisions since the start of which it would have made another plan
     */
    record Shadow(int wanted, long differs) {}

    /** Decides by what the pool's annotations name. */
    Deciding(DecisionRecorder recorder) {
        this(recorder, null);
    }

    /** Decides by this policy, whatever the pool says. */
    Deciding(DecisionRecorder recorder, Policy fixed) {
        this.recorder = recorder;
        this.fixed = fixed;
    }

    /**
     * Decides by what a pool's annotations name.
     *
     * @param records folder for the record of decisions, when there is to be one
     */
    public static Deciding byPool(Optional<Path> records) {
        return new Deciding(
                records.map(
                                folder ->
                                        new DecisionRecorder(
                                                folder,
                                                Executors.newSingleThreadExecutor(
                                                        Thread.ofPlatform()
                                                                .daemon()
                                                                .name("decisions")
                                                                .factory())))
                        .orElse(DecisionRecorder.NONE));
    }

    Shadow shadow() {
        return new Shadow(shadowWanted, shadowDiffers);
    }

    /**
     * The plan for this instant.
     *
     * @param snapshot without its history
     * @param due seconds of video generated so far
     * @param late how many of those came late
     */
    Plan decide(PoolDefinition pool, FleetSnapshot snapshot, double due, double late) {
        choose(pool);
        double load = 0;
        for (SessionSnapshot s : snapshot.sessions()) {
            load += s.demands() ? s.weight() : 0;
        }
        demand.record(snapshot.nowMillis(), (int) Math.ceil(load));
        FleetSnapshot full =
                new FleetSnapshot(
                        snapshot.nowMillis(),
                        snapshot.pool()
                                .with()
                                .startUpMillis(startUp(snapshot, snapshot.pool()))
                                .build(),
                        snapshot.workers(),
                        snapshot.sessions(),
                        demand.history());
        Plan plan = mind.decide(full, load, due, late);
        if (shadow != null) {
            Plan other = shadow.decide(full, load, due, late);
            shadowWanted = other.wantedWorkers();
            shadowDiffers += other.actions().equals(plan.actions()) ? 0 : 1;
        }
        recorder.record(pool.name(), full);
        return plan;
    }

    private void choose(PoolDefinition pool) {
        String now = pool.policy() + "/" + pool.shadowPolicy();
        if (mind != null && now.equals(names)) {
            return;
        }
        names = now;
        mind = new Mind(fixed != null ? fixed : named(pool, pool.policy()).fresh());
        shadow =
                pool.shadowPolicy().isEmpty()
                        ? null
                        : new Mind(named(pool, pool.shadowPolicy()).fresh());
        shadowWanted = -1;
    }

    private static Policies named(PoolDefinition pool, String name) {
        return Policies.named(name.isEmpty() ? Policies.MIGRATION_AWARE.title() : name)
                .orElseGet(
                        () -> {
                            LOG.warnf(
                                    "pool %s: there is no policy %s; write %s. Until then"
                                            + " MigrationAware decides",
                                    pool.name(), name, Policies.names());
                            return Policies.MIGRATION_AWARE;
                        });
    }

    private long startUp(FleetSnapshot snapshot, PoolSettings pool) {
        List<WorkerSnapshot> workers = snapshot.workers();
        for (WorkerSnapshot w : workers) {
            if (w.readyAtMillis() > 0 && measured.add(w.name())) {
                long took = w.readyAtMillis() - w.requestedAtMillis();
                if (took > 0 && took <= LONGEST_START_MILLIS) {
                    startUp.measured(took);
                }
            }
        }
        if (measured.size() > 4 * workers.size() + 64) {
            measured.retainAll(workers.stream().map(WorkerSnapshot::name).toList());
        }
        return startUp.typicalMillis(pool.startUpMillis());
    }
}
