package io.reelfleet.cli;

import com.sun.management.ThreadMXBean;
import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.MigrationAwarePolicy;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.PoolSettings;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Time of one decision, the learner's step included: one session of a full fleet goes idle or
 * wakes, and the policy is asked. Plans are carried out, so that the fleet stays as it would be.
 */
final class DecideBench implements Bench {
    private static final int PER_WORKER = 4;
    private static final int WARM_UP = 3_000;
    private static final int MEASURED = 5_000;

    private static final int REPLANS = 30;
    private static final double REPLAN_GOAL_MILLIS = 50;

    /** A decision that changes nothing leaves a plan and what was learned, and no more. */
    private static final double GARBAGE_GOAL_BYTES = 1_024;

    private static final ThreadMXBean THREADS =
            ManagementFactory.getPlatformMXBean(ThreadMXBean.class);

    /** The paper's figures (arXiv 2606.19271), milliseconds, by workers. */
    private static final double[][] PAPER_MILLIS = {
        {4, 0.25}, {64, 15}, {256, 90}, {1_000, Double.NaN}
    };

    @Override
    public String name() {
        return "decide";
    }

    @Override
    public String measures() {
        return "processor time of one scheduling decision, 4 active sessions per worker";
    }

    @Override
    public List<Figure> run(Path out, PrintWriter progress) {
        List<Figure> figures = new ArrayList<>();
        List<Figure> garbage = new ArrayList<>();
        for (double[] point : PAPER_MILLIS) {
            int workers = (int) point[0];
            progress.println("  " + workers + " workers");
            progress.flush();
            Measured measured = measure(workers);
            double[] micros = measured.micros();
            Arrays.sort(micros);
            figures.add(figure("p50", 0.5, micros, workers, point[1]));
            figures.add(figure("p99", 0.99, micros, workers, point[1]));
            if (measured.bytes() >= 0) {
                garbage.add(
                        new Figure(
                                "decision_garbage_bytes_" + workers + "_workers",
                                "memory allocated per decision, " + workers + " workers",
                                measured.bytes(),
                                "bytes",
                                GARBAGE_GOAL_BYTES,
                                "goal"));
            }
        }
        figures.addAll(garbage);
        for (double[] point : PAPER_MILLIS) {
            int workers = (int) point[0];
            double[] micros = replan(workers);
            Arrays.sort(micros);
            figures.add(
                    new Figure(
                            "replan_p50_ms_" + workers + "_workers",
                            "re-plan from a snapshot p50, " + workers + " workers",
                            micros[micros.length / 2] / 1e3,
                            "ms",
                            workers == 256 ? 90 : REPLAN_GOAL_MILLIS,
                            workers == 256 ? "paper" : "goal"));
        }
        return figures;
    }

    private static Figure figure(
            String name, double share, double[] micros, int workers, double paperMillis) {
        return new Figure(
                "decision_" + name + "_us_" + workers + "_workers",
                "decision " + name + ", " + workers + " workers",
                micros[(int) (share * (micros.length - 1))],
                "us",
                Double.isNaN(paperMillis) ? 1_000 : paperMillis * 1_000,
                Double.isNaN(paperMillis) ? "goal" : "paper");
    }

    /** The time this thread has had on a processor: others on the machine must not count. */
    private static long processorNanos() {
        return THREADS.isCurrentThreadCpuTimeSupported()
                ? THREADS.getCurrentThreadCpuTime()
                : System.nanoTime();
    }

    /** From an immutable snapshot in which nothing is placed to a whole plan. */
    private static double[] replan(int workers) {
        MigrationAwarePolicy policy = new MigrationAwarePolicy();
        Fleet fleet = new Fleet(pool(workers));
        for (int i = 0; i < workers; i++) {
            fleet.ready(fleet.request("w" + i));
        }
        for (int i = 0; i < workers * PER_WORKER; i++) {
            fleet.open("s" + i, 0, 1, true);
        }
        FleetSnapshot snapshot = fleet.snapshot();
        double[] micros = new double[REPLANS];
        for (int i = -REPLANS; i < REPLANS; i++) {
            long from = processorNanos();
            policy.decide(snapshot);
            if (i >= 0) {
                micros[i] = (processorNanos() - from) / 1e3;
            }
        }
        return micros;
    }

    private static PoolSettings pool(int workers) {
        return PoolSettings.of(PoolSettings.Mode.PREDICTIVE, PER_WORKER, workers, 2 * workers)
                .maxMoves(16)
                .build();
    }

    /**
     * @param micros of each decision
     * @param bytes allocated per decision, the mean; -1 where the JVM cannot say
     */
    private record Measured(double[] micros, double bytes) {}

    private static Measured measure(int workers) {
        MigrationAwarePolicy policy = new MigrationAwarePolicy();
        PoolSettings pool = pool(workers);
        Fleet fleet = new Fleet(pool, policy.learner(pool));
        int[] w = new int[workers];
        for (int i = 0; i < workers; i++) {
            w[i] = fleet.request("w" + i);
            fleet.ready(w[i]);
        }
        int[] s = new int[workers * PER_WORKER];
        for (int i = 0; i < s.length; i++) {
            s[i] = fleet.open("s" + i, 0, 1, true);
            fleet.placed(s[i], w[i % workers]);
        }
        Random random = new Random(1);
        double[] micros = new double[MEASURED];
        long allocated = 0;
        boolean counted = THREADS.isThreadAllocatedMemorySupported();
        long now = 0;
        for (int i = 0; i < WARM_UP + MEASURED; i++) {
            int one = s[random.nextInt(s.length)];
            fleet.advance(++now);
            if (fleet.demands(one)) {
                fleet.deactivate(one);
            } else {
                fleet.activate(one);
            }
            long before = counted ? THREADS.getCurrentThreadAllocatedBytes() : 0;
            long from = processorNanos();
            fleet.observe();
            Plan plan = policy.decide(fleet);
            long took = processorNanos() - from;
            long bytes = counted ? THREADS.getCurrentThreadAllocatedBytes() - before : 0;
            carryOut(fleet, plan);
            if (i >= WARM_UP) {
                micros[i - WARM_UP] = took / 1e3;
                allocated += bytes;
            }
        }
        return new Measured(micros, counted ? allocated / (double) MEASURED : -1);
    }

    /** What concerns sessions; the workers stay as they are. */
    private static void carryOut(Fleet fleet, Plan plan) {
        for (Action action : plan.actions()) {
            switch (action) {
                case Action.Place(String s, String w) ->
                        fleet.placed(fleet.sessionNumber(s), fleet.workerNumber(w));
                case Action.Move(String s, String from, String to) ->
                        fleet.placed(fleet.sessionNumber(s), fleet.workerNumber(to));
                case Action.Suspend(String s, String w) ->
                        fleet.parked(fleet.sessionNumber(s), fleet.workerNumber(w));
                case Action.Resume(String s, String w) ->
                        fleet.placed(fleet.sessionNumber(s), fleet.workerNumber(w));
                case Action.Release(String s, String w) -> fleet.unplaced(fleet.sessionNumber(s));
                case Action.RequestWorkers r -> {}
                case Action.DrainWorker d -> {}
                case Action.ReleaseWorker r -> {}
            }
        }
    }
}
