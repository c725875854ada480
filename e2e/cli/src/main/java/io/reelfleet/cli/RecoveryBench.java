package io.reelfleet.cli;

import io.reelfleet.cli.chaos.Recovery;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** From the death of a worker to its session's next chunk. */
final class RecoveryBench implements Bench {
    private static final int KILLS = 12;

    @Override
    public String name() {
        return "recovery";
    }

    @Override
    public String measures() {
        return "a worker is killed under a streaming session: how long until its next chunk is stored";
    }

    @Override
    public List<Figure> run(Path out, PrintWriter progress) throws Exception {
        List<Recovery.Kill> kills = Recovery.measure(KILLS, progress);
        double rebuild = at(kills, Recovery.Kill::rebuild, 0.5);
        double generation = at(kills, Recovery.Kill::generation, 0.5);
        List<Figure> figures = new ArrayList<>();
        // Nothing is faster than building the state anew and generating the chunk.
        add(
                figures,
                "total",
                "kill -9 to the next chunk",
                kills,
                Recovery.Kill::total,
                rebuild + generation);
        add(
                figures,
                "detection",
                "of it, until the worker is given up",
                kills,
                Recovery.Kill::detection,
                Double.NaN);
        add(
                figures,
                "admission",
                "of it, until another owns the session",
                kills,
                Recovery.Kill::admission,
                Double.NaN);
        add(
                figures,
                "rebuild",
                "of it, the state built from the log",
                kills,
                Recovery.Kill::rebuild,
                Double.NaN);
        add(
                figures,
                "generation",
                "of it, the chunk itself",
                kills,
                Recovery.Kill::generation,
                Double.NaN);
        return figures;
    }

    private static void add(
            List<Figure> figures,
            String name,
            String what,
            List<Recovery.Kill> kills,
            ToDoubleFunction<Recovery.Kill> part,
            double limit) {
        figures.add(
                figure("recovery_" + name + "_p50_s", what + ", p50", at(kills, part, 0.5), limit));
        figures.add(
                figure(
                        "recovery_" + name + "_p95_s",
                        what + ", p95",
                        at(kills, part, 0.95),
                        Double.NaN));
        figures.add(
                figure(
                        "recovery_" + name + "_worst_s",
                        what + ", worst",
                        at(kills, part, 1),
                        Double.NaN));
    }

    private static Figure figure(String name, String what, double value, double limit) {
        return new Figure(
                name, what, value, "s", limit, Double.isNaN(limit) ? "" : "rebuild + generation");
    }

    /** The smallest value that this share of all kills does not exceed. */
    private static double at(
            List<Recovery.Kill> kills, ToDoubleFunction<Recovery.Kill> part, double share) {
        double[] sorted = kills.stream().mapToDouble(part).sorted().toArray();
        return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)];
    }
}
