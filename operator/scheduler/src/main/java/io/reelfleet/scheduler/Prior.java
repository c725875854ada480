package io.reelfleet.scheduler;

import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What each rule would have cost on demand made up for the purpose: what is believed of a load
 * level before it has been seen. Arrivals are Poisson with a rate that wanders over minutes and
 * over tens of minutes, durations are log-normal around {@value #DURATION} s. It weighs as much as
 * {@value #SECONDS} s of real demand at each level, so it decides the first minutes and nothing
 * later.
 */
final class Prior {
    private static final double SECONDS = 30;
    private static final double DURATION = 30;
    private static final double WANDER = 0.4;
    private static final int ARRIVALS = 1_000;
    private static final int HIGHEST = 9;
    private static final Map<Prior.Key, Prior> MADE = new ConcurrentHashMap<>();

    final double[][] cost;
    final double[][] late;
    final double[] due = new double[RulePanel.LEVELS];
    final double[] seconds = new double[RulePanel.LEVELS];

    private record Key(int capacity, double startUp, double perWait) {}

    /** The prior of pools with this capacity and start-up time, seconds; made once. */
    static Prior of(int capacity, double startUp, double perWait) {
        return MADE.computeIfAbsent(
                new Key(capacity, startUp, perWait),
                key -> new Prior(key.capacity(), key.startUp(), key.perWait()));
    }

    private Prior(int capacity, double startUp, double perWait) {
        int n = new RulePanel(capacity, startUp, perWait, 0).size();
        cost = new double[RulePanel.LEVELS][n];
        late = new double[RulePanel.LEVELS][n];
        for (int scale = 0; scale <= HIGHEST; scale++) {
            RulePanel panel = new RulePanel(capacity, startUp, perWait, 0);
            play(panel, 0.35 * Math.pow(2, scale), scale);
            for (int c = 0; c < RulePanel.LEVELS; c++) {
                seconds[c] += panel.levelSeconds[c];
                due[c] += panel.levelDue[c];
                for (int e = 0; e < n; e++) {
                    cost[c][e] += panel.cost[c][e];
                    late[c][e] += panel.late[c][e];
                }
            }
        }
        for (int c = 0; c < RulePanel.LEVELS; c++) {
            double share = seconds[c] > 0 ? SECONDS / seconds[c] : 0;
            seconds[c] *= share;
            due[c] *= share;
            for (int e = 0; e < n; e++) {
                cost[c][e] *= share;
                late[c][e] *= share;
            }
        }
    }

    private static void play(RulePanel panel, double meanDemand, long seed) {
        Random random = new Random(seed);
        PriorityQueue<Double> ends = new PriorityQueue<>();
        double slow = 0;
        double fast = 0;
        double now = 0;
        for (int i = 0; i < ARRIVALS; i++) {
            double rate =
                    meanDemand / DURATION * Math.exp(WANDER * (slow + fast) - WANDER * WANDER);
            double gap = Math.min(1_800, -Math.log(1 - random.nextDouble()) / rate);
            double arrival = now + gap;
            while (!ends.isEmpty() && ends.peek() <= arrival) {
                double end = ends.poll();
                panel.observe(end, ends.size());
            }
            now = arrival;
            fast = wander(fast, gap / 120, random);
            slow = wander(slow, gap / 1_200, random);
            ends.add(now + DURATION * Math.exp(0.8 * random.nextGaussian() - 0.32));
            panel.observe(now, ends.size());
        }
    }

    private static double wander(double x, double dt, Random random) {
        double keep = Math.exp(-dt);
        return x * keep + Math.sqrt(1 - keep * keep) * random.nextGaussian();
    }
}
