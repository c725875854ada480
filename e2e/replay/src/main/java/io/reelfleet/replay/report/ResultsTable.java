package io.reelfleet.replay.report;

import io.reelfleet.replay.sim.Outcome;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** The results for a terminal. */
public final class ResultsTable {
    private static final List<String> HEAD =
            List.of(
                    "POLICY",
                    "LATE %",
                    "P50 s",
                    "P99 s",
                    "WORST s",
                    "GPU-h",
                    "OVER C %",
                    "PEAK",
                    "MOVES",
                    "SUSPENDS",
                    "SCALED",
                    "DECISION p50/p99 us");

    private ResultsTable() {}

    /** Prints what was compared, the bounds and a line per policy. */
    public static void print(Results results, PrintWriter out) {
        out.printf(
                Locale.ROOT,
                "%s%s: %,d sessions, %,d bursts, most active at once %,d; C = %d, start-up %s s%n",
                results.trace(),
                results.scale() == 1 ? "" : " x " + results.scale(),
                results.sessions(),
                results.bursts(),
                results.bounds().peakActive(),
                results.conditions().capacity(),
                number(results.conditions().startUp().meanMillis() / 1000.0));
        out.printf(
                Locale.ROOT,
                "Bounds with nothing late: A %.3f s, B %,.1f GPU-h, C %,.1f GPU-h",
                results.bounds().boundASeconds(),
                results.bounds().boundBGpuSeconds() / 3600,
                results.bounds().boundCGpuSeconds() / 3600);
        for (double e : results.lateBudgets()) {
            out.printf(
                    Locale.ROOT,
                    "; B(%s) %,.1f",
                    number(e),
                    results.bounds().bGpuSeconds(e) / 3600);
        }
        out.println();
        Set<Results.Row> front = new HashSet<>(results.paretoFront());
        List<List<String>> rows = new ArrayList<>();
        rows.add(HEAD);
        for (Results.Row row : results.rows()) {
            Outcome o = row.outcome();
            rows.add(
                    List.of(
                            (front.contains(row) ? "* " : "  ") + row.contender().name(),
                            f("%.3f", 100 * o.lateRatio()),
                            f("%.3f", o.latencies().percentileSeconds(0.50)),
                            f("%.3f", o.latencies().percentileSeconds(0.99)),
                            f("%.1f", o.latencies().worstSeconds()),
                            f("%,.1f", o.gpuSeconds() / 3600),
                            f("%+.1f", 100 * results.overBoundC(row)),
                            f("%d", o.peakGpus()),
                            f("%,d", o.migrations()),
                            f("%,d", o.suspends()),
                            f("%,d", o.scaleChanges()),
                            f(
                                    "%.1f / %.1f",
                                    o.decisions().percentile(0.50),
                                    o.decisions().percentile(0.99))));
        }
        int[] width = new int[HEAD.size()];
        for (List<String> row : rows) {
            for (int i = 0; i < width.length; i++) {
                width[i] = Math.max(width[i], row.get(i).length());
            }
        }
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < width.length; i++) {
                String gap = " ".repeat(width[i] - row.get(i).length());
                line.append(i == 0 ? row.get(i) + gap : "  " + gap + row.get(i));
            }
            out.println(line.toString().stripTrailing());
        }
        out.println(
                "* on the Pareto front of what can be run: no other is both no later and no dearer.");
    }

    private static String number(double v) {
        return new BigDecimal(Double.toString(v)).stripTrailingZeros().toPlainString();
    }

    private static String f(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
