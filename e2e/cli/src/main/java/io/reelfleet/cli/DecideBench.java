package io.reelfleet.cli;

import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.LeastLoadedPolicy;
import io.reelfleet.scheduler.Policy;
import io.reelfleet.scheduler.PoolSettings;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Time of one decision: one session of a full fleet goes idle, another wakes, and the policy is
 * asked after each.
 */
final class DecideBench implements Bench {
    private static final int PER_WORKER = 4;
    private static final int WARM_UP = 3_000;
    private static final int MEASURED = 5_000;

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
        return "time of one scheduling decision, 4 active sessions per worker";
    }

    @Override
    public List<Figure> run(Path out, PrintWriter progress) {
        List<Figure> figures = new ArrayList<>();
        for (double[] point : PAPER_MILLIS) {
            int workers = (int) point[0];
            double[] micros = measure(workers);
            Arrays.sort(micros);
            figures.add(figure("p50", 0.5, micros, workers, point[1]));
            figures.add(figure("p99", 0.99, micros, workers, point[1]));
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

    private static double[] measure(int workers) {
        Policy policy = new LeastLoadedPolicy();
        PoolSettings pool =
                new PoolSettings(
                        PoolSettings.Mode.PREDICTIVE,
                        PER_WORKER,
                        0,
                        2 * workers,
                        0,
                        1,
                        60_000,
                        30_000,
                        750,
                        0.01,
                        750,
                        true,
                        2,
                        30_000);
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
        long now = 0;
        for (int i = 0; i < WARM_UP + MEASURED; i++) {
            int one = s[random.nextInt(s.length)];
            fleet.advance(++now);
            if (fleet.demands(one)) {
                fleet.deactivate(one);
            } else {
                fleet.activate(one);
            }
            fleet.observe();
            long from = System.nanoTime();
            policy.decide(fleet);
            long took = System.nanoTime() - from;
            if (i >= WARM_UP) {
                micros[i - WARM_UP] = took / 1e3;
            }
        }
        return micros;
    }
}
