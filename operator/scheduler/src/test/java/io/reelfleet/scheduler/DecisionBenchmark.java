package io.reelfleet.scheduler;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * The decision path in the steady state, as JMH measures it: one session of a full fleet, four to a
 * worker, goes idle or wakes, the learner hears of it, the policy decides, and its plan is carried
 * out. See {@link DecisionBenchmarkTest} for how to run it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class DecisionBenchmark {
    private static final int PER_WORKER = 4;

    @Param({"4", "64", "256", "1000"})
    int workers;

    private MigrationAwarePolicy policy;
    private Fleet fleet;
    private FleetSnapshot snapshot;
    private int[] sessions;
    private Random random;
    private long now;

    /** A fleet that is full. */
    @Setup
    public void fill() {
        policy = new MigrationAwarePolicy();
        PoolSettings pool =
                PoolSettings.of(PoolSettings.Mode.PREDICTIVE, PER_WORKER, workers, 2 * workers)
                        .maxMoves(16)
                        .build();
        fleet = new Fleet(pool, policy.learner(pool));
        int[] w = new int[workers];
        for (int i = 0; i < workers; i++) {
            w[i] = fleet.request("w" + i);
            fleet.ready(w[i]);
        }
        sessions = new int[workers * PER_WORKER];
        for (int i = 0; i < sessions.length; i++) {
            sessions[i] = fleet.open("s" + i, 0, 1, true);
            fleet.placed(sessions[i], w[i % workers]);
        }
        snapshot = fleet.snapshot();
        random = new Random(1);
    }

    /** One event and its decision. */
    @Benchmark
    public Plan decide() {
        int one = sessions[random.nextInt(sessions.length)];
        fleet.advance(++now);
        if (fleet.demands(one)) {
            fleet.deactivate(one);
        } else {
            fleet.activate(one);
        }
        fleet.observe();
        Plan plan = policy.decide(fleet);
        for (Action action : plan.actions()) {
            carryOut(action);
        }
        return plan;
    }

    /** A whole plan from an immutable snapshot, as the operator has it. */
    @Benchmark
    public Plan decideFromSnapshot() {
        return policy.decide(snapshot);
    }

    private void carryOut(Action action) {
        switch (action) {
            case Action.Place(String s, String w) -> put(s, w);
            case Action.Move(String s, String from, String to) -> put(s, to);
            case Action.Resume(String s, String w) -> put(s, w);
            case Action.Suspend(String s, String w) ->
                    fleet.parked(fleet.sessionNumber(s), fleet.workerNumber(w));
            case Action.Release(String s, String w) -> fleet.unplaced(fleet.sessionNumber(s));
            case Action.RequestWorkers r -> {}
            case Action.DrainWorker d -> {}
            case Action.ReleaseWorker r -> {}
        }
    }

    private void put(String session, String worker) {
        fleet.placed(fleet.sessionNumber(session), fleet.workerNumber(worker));
    }
}
