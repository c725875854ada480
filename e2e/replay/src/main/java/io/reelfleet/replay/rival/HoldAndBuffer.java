package io.reelfleet.replay.rival;

import io.reelfleet.replay.bound.DemandCurve;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Hindsight: room for a + k + q sqrt(a) sessions, each GPU held for a fixed time after it was last
 * needed, with the k, q and hold time that are best for this very trace at a late budget. It is
 * evaluated on a(t) alone: state moves in no time, and who is too many waits.
 */
public final class HoldAndBuffer {
    /**
     * The grid of the project's design: it gives the figures that are quoted there (1.00, 1.15 and
     * 1.38 over bound C on the folded day).
     */
    public static final Grid PUBLISHED =
            new Grid(
                    new double[] {0, 1, 2, 4, 8},
                    new double[] {0, 0.5, 1, 2},
                    new double[] {0, 30, 60, 120, 300, 600, 1_200, 3_600});

    /** A finer one, against which it is harder to win. */
    public static final Grid FINE =
            new Grid(
                    new double[] {0, 1, 2, 3, 4, 6, 8, 12, 16, 24},
                    new double[] {0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3},
                    new double[] {
                        0, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1_800,
                        3_600
                    });

    /**
     * What is tried: every combination.
     *
     * @param k sessions of room
     * @param q sessions of room per root of the active ones
     * @param holdSeconds seconds
     */
    public record Grid(double[] k, double[] q, double[] holdSeconds) {}

    /**
     * One combination.
     *
     * @param k sessions of room beyond the active ones
     * @param q further room per square root of the active ones
     * @param holdSeconds how long a GPU stays after it was last needed
     */
    public record Settings(double k, double q, double holdSeconds) {
        int gpus(int active, int capacity) {
            return (int) Math.ceil((active + k + q * Math.sqrt(active)) / capacity - 1e-9);
        }
    }

    /**
     * What a combination costs on a curve.
     *
     * @param settings the combination
     * @param gpuSeconds from request to release
     * @param lateRatio session-time without a GPU over session-time; the first start-up is not late
     */
    public record Result(Settings settings, double gpuSeconds, double lateRatio) {}

    private final DemandCurve curve;
    private final int capacity;
    private final long startUp;
    private final double wantedMillis;

    /** Per level that is ever needed: the steps at which its own sessions change. */
    private final long[][] levelAt;

    /** Beside it: session-milliseconds of the level until then. */
    private final double[][] levelUntil;

    /** Beside it: the sessions it serves from then on. */
    private final int[][] levelActive;

    /** For a curve, a capacity and a start-up time in milliseconds. */
    public HoldAndBuffer(DemandCurve curve, int capacity, long startUpMillis) {
        this.curve = curve;
        this.capacity = capacity;
        this.startUp = startUpMillis;
        this.wantedMillis = curve.sessionSeconds() * 1000;
        int levels = Math.ceilDiv(curve.peak(), capacity);
        levelAt = new long[levels + 1][];
        levelUntil = new double[levels + 1][];
        levelActive = new int[levels + 1][];
        int[] size = new int[levels + 1];
        int[] now = new int[levels + 1];
        double[] sum = new double[levels + 1];
        for (int level = 1; level <= levels; level++) {
            levelAt[level] = new long[16];
            levelUntil[level] = new double[16];
            levelActive[level] = new int[16];
        }
        int before = 0;
        for (int i = 0; i < curve.size(); i++) {
            int a = curve.active(i);
            int from = Math.max(1, Math.ceilDiv(Math.min(a, before), capacity));
            int to = Math.ceilDiv(Math.max(a, before), capacity);
            for (int level = from; level <= to; level++) {
                int own = Math.clamp(a - (level - 1) * capacity, 0, capacity);
                int n = size[level];
                if (own == now[level]) {
                    continue;
                }
                if (n == levelAt[level].length) {
                    levelAt[level] = Arrays.copyOf(levelAt[level], 2 * n);
                    levelUntil[level] = Arrays.copyOf(levelUntil[level], 2 * n);
                    levelActive[level] = Arrays.copyOf(levelActive[level], 2 * n);
                }
                if (n > 0) {
                    sum[level] += now[level] * (double) (curve.at(i) - levelAt[level][n - 1]);
                }
                levelAt[level][n] = curve.at(i);
                levelUntil[level][n] = sum[level];
                levelActive[level][n] = own;
                size[level] = n + 1;
                now[level] = own;
            }
            before = a;
        }
        for (int level = 1; level <= levels; level++) {
            levelAt[level] = Arrays.copyOf(levelAt[level], size[level]);
            levelUntil[level] = Arrays.copyOf(levelUntil[level], size[level]);
            levelActive[level] = Arrays.copyOf(levelActive[level], size[level]);
        }
    }

    /** Every combination of a grid. */
    public List<Result> all(Grid grid) {
        List<Result> results = new ArrayList<>();
        for (double k : grid.k()) {
            for (double q : grid.q()) {
                Need need = need(k, q);
                for (double hold : grid.holdSeconds()) {
                    results.add(evaluate(need, new Settings(k, q, hold)));
                }
            }
        }
        return results;
    }

    /** The cheapest of some results that keeps a late budget; none when none does. */
    public static Optional<Result> best(List<Result> results, double lateBudget) {
        return results.stream()
                .filter(r -> r.lateRatio() <= lateBudget)
                .min(Comparator.comparingDouble(Result::gpuSeconds));
    }

    /** What one combination costs. */
    public Result evaluate(Settings settings) {
        return evaluate(need(settings.k(), settings.q()), settings);
    }

    /** Per level: when it is needed, as alternating starts and ends. */
    private record Need(long[][] edges, int[] size, long firstReady) {}

    private Need need(double k, double q) {
        Settings settings = new Settings(k, q, 0);
        int most = 0;
        int[] gpus = new int[curve.peak() + 1];
        for (int a = 0; a < gpus.length; a++) {
            gpus[a] = settings.gpus(a, capacity);
            most = Math.max(most, gpus[a]);
        }
        long[][] edges = new long[most + 1][16];
        int[] size = new int[most + 1];
        long firstReady = Long.MAX_VALUE;
        int before = 0;
        for (int i = 0; i < curve.size(); i++) {
            int need = gpus[curve.active(i)];
            if (need > 0 && firstReady == Long.MAX_VALUE) {
                firstReady = curve.at(i) + startUp;
            }
            for (int level = Math.min(need, before) + 1; level <= Math.max(need, before); level++) {
                if (size[level] == edges[level].length) {
                    edges[level] = Arrays.copyOf(edges[level], 2 * size[level]);
                }
                edges[level][size[level]++] = curve.at(i);
            }
            before = need;
        }
        return new Need(edges, size, firstReady);
    }

    private Result evaluate(Need need, Settings settings) {
        long hold = Math.round(settings.holdSeconds() * 1000);
        long end = curve.at(curve.size() - 1);
        double cost = 0;
        double served = 0;
        for (int level = 1; level < need.edges.length; level++) {
            long[] edges = need.edges[level];
            int n = need.size[level];
            int cursor = 0;
            for (int i = 0; i < n; ) {
                long from = edges[i];
                long to = end;
                i += 2;
                while (i - 1 < n) {
                    to = Math.min(end, edges[i - 1] + hold);
                    if (i < n && edges[i] <= to) {
                        to = end;
                        i += 2;
                        continue;
                    }
                    break;
                }
                cost += to - from;
                if (level < levelAt.length && from + startUp < to) {
                    cursor = seek(level, cursor, from + startUp);
                    double start = until(level, cursor, from + startUp);
                    cursor = seek(level, cursor, to);
                    served += until(level, cursor, to) - start;
                }
            }
        }
        // Nothing is served before firstReady, and what was wanted then is not late.
        double late = wantedMillis - served - wantedUntil(need.firstReady);
        return new Result(settings, cost / 1000, Math.max(0, late) / wantedMillis);
    }

    private double wantedUntil(long at) {
        double sum = 0;
        for (int i = 0; i + 1 < curve.size() && curve.at(i) < at; i++) {
            sum += curve.active(i) * (double) (Math.min(at, curve.at(i + 1)) - curve.at(i));
        }
        return sum;
    }

    /** The last step of a level at or before an instant, from {@code cursor} on; -1 before all. */
    private int seek(int level, int cursor, long at) {
        long[] steps = levelAt[level];
        int i = Math.max(0, cursor);
        if (steps.length == 0 || steps[0] > at) {
            return -1;
        }
        int stride = 1;
        while (i + stride < steps.length && steps[i + stride] <= at) {
            i += stride;
            stride *= 2;
        }
        while (stride > 0) {
            if (i + stride < steps.length && steps[i + stride] <= at) {
                i += stride;
            } else {
                stride /= 2;
            }
        }
        return i;
    }

    /** Session-milliseconds of a level until an instant in the step {@code i}. */
    private double until(int level, int i, long at) {
        return i < 0
                ? 0
                : levelUntil[level][i] + levelActive[level][i] * (double) (at - levelAt[level][i]);
    }
}
