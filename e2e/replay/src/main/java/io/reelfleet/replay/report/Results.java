package io.reelfleet.replay.report;

import io.reelfleet.replay.bound.DemandCurve;
import io.reelfleet.replay.bound.LowerBounds;
import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.Outcome;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What a comparison found.
 *
 * @param trace its name
 * @param scale copies of it that lay over each other
 * @param sessions in the workload
 * @param bursts in the workload
 * @param conditions the simulated world
 * @param curve a(t)
 * @param bounds no policy is below them
 * @param lateBudgets those that were asked for
 * @param rows one per policy
 */
public record Results(
        String trace,
        int scale,
        int sessions,
        int bursts,
        Conditions conditions,
        DemandCurve curve,
        LowerBounds bounds,
        List<Double> lateBudgets,
        List<Row> rows) {
    /**
     * One policy.
     *
     * @param contender who
     * @param outcome what it did
     */
    public record Row(Contender contender, Outcome outcome) {}

    /** Keeps copies. */
    public Results {
        lateBudgets = List.copyOf(lateBudgets);
        rows = List.copyOf(rows);
    }

    /** Cost over bound C: 0.12 is 12 % more. */
    public double overBoundC(Row row) {
        double c = bounds.boundCGpuSeconds();
        return c == 0 ? 0 : row.outcome().gpuSeconds() / c - 1;
    }

    /**
     * The rows that no other one beats in both lateness and cost, the cheapest first; what nobody
     * can run (hindsight, the oracle) does not take part.
     */
    public List<Row> paretoFront() {
        List<Row> front = new ArrayList<>();
        for (Row row : rows) {
            if (row.contender().kind() != Contender.Kind.HINDSIGHT
                    && rows.stream().noneMatch(other -> beats(other, row))) {
                front.add(row);
            }
        }
        front.sort(Comparator.comparingDouble(r -> r.outcome().gpuSeconds()));
        return front;
    }

    /** Whether one is no later and no dearer than another, and better in one of them. */
    static boolean beats(Row one, Row other) {
        Outcome a = one.outcome();
        Outcome b = other.outcome();
        return one.contender().kind() != Contender.Kind.HINDSIGHT
                && a.lateRatio() <= b.lateRatio()
                && a.gpuSeconds() <= b.gpuSeconds()
                && (a.lateRatio() < b.lateRatio() || a.gpuSeconds() < b.gpuSeconds());
    }
}
