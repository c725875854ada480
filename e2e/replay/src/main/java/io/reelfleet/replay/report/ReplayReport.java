package io.reelfleet.replay.report;

import static io.reelfleet.replay.report.Figure.f;
import static io.reelfleet.replay.report.Figure.number;

import io.reelfleet.replay.report.Contender.Kind;
import io.reelfleet.replay.sim.Outcome;
import io.reelfleet.replay.sim.StepCurve;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** {@code report.html}: one file that needs no other. */
public final class ReplayReport {
    private static final int PARTS = 700;
    private static final int COLOURS = 8;

    /** Who is drawn as a line when not all can be, beside the project's own. */
    private static final List<String> PREFERRED =
            List.of(
                    "hindsight+hold-buffer@0.01",
                    "turboserve+turboserve",
                    "least-loaded+static-peak",
                    "llumnix+kpa",
                    "least-loaded+hpa",
                    "least-loaded+ray-serve");

    private final Results results;
    private final List<Results.Row> drawn;
    private final double hours;
    private final long from;
    private final long to;

    private ReplayReport(Results results) {
        this.results = results;
        drawn = drawn(results);
        from = results.curve().at(0);
        to = results.curve().at(results.curve().size() - 1);
        hours = (to - from) / 3_600_000.0;
    }

    /** Writes the page. */
    public static void write(Results results, Path file) throws IOException {
        Files.writeString(file, new ReplayReport(results).html(), StandardCharsets.UTF_8);
    }

    /** The rows that are drawn as lines: the project's own, then well-known rivals. */
    static List<Results.Row> drawn(Results results) {
        List<Results.Row> rows = new ArrayList<>();
        results.rows().stream()
                .filter(r -> r.contender().kind() == Kind.OWN)
                .filter(r -> r.contender().workers().isEmpty())
                .limit(4)
                .forEach(rows::add);
        for (String name : PREFERRED) {
            results.rows().stream()
                    .filter(r -> r.contender().name().equals(name))
                    .forEach(rows::add);
        }
        results.rows().stream().filter(r -> !rows.contains(r)).forEach(rows::add);
        return rows.subList(0, Math.min(COLOURS, rows.size()));
    }

    /** How many GPUs bound B has, over time. */
    static StepCurve bound(Results results) {
        StepCurve curve = new StepCurve();
        for (int i = 0; i < results.curve().size(); i++) {
            curve.step(
                    results.curve().at(i),
                    Math.ceilDiv(results.curve().active(i), results.conditions().capacity()));
        }
        return curve;
    }

    private String html() throws IOException {
        StringBuilder page = new StringBuilder();
        page.append("<!doctype html><html lang='en'><head><meta charset='utf-8'>");
        page.append(
                "<meta name='viewport' content='width=device-width,initial-scale=1'><title>Reelfleet replay</title><style>");
        try (InputStream css = ReplayReport.class.getResourceAsStream("report.css")) {
            page.append(new String(css.readAllBytes(), StandardCharsets.UTF_8));
        }
        page.append("</style></head><body><main>");
        head(page);
        cards(page);
        cost(page);
        gpus(page);
        latency(page);
        moves(page);
        table(page);
        return page.append("</main></body></html>\n").toString();
    }

    private void head(StringBuilder page) {
        page.append(
                f(
                        "<header><h1>Reelfleet replay</h1><p class='sub'>%s%s &middot; %,d sessions, %,d bursts, %.1f h &middot; C = %d, start-up %s s, chunk interval %s s, latency target %s s</p></header>",
                        escape(results.trace()),
                        results.scale() == 1 ? "" : " &times; " + results.scale(),
                        results.sessions(),
                        results.bursts(),
                        hours,
                        results.conditions().capacity(),
                        number(results.conditions().startUp().meanMillis() / 1000.0),
                        number(results.conditions().intervalMillis() / 1000.0),
                        number(results.conditions().targetMillis() / 1000.0)));
    }

    private void cards(StringBuilder page) {
        page.append("<section class='cards'>");
        card(page, f("%,d", results.bounds().peakActive()), "sessions at once", "at the peak");
        card(
                page,
                f("%,.1f", results.bounds().boundBGpuSeconds() / 3600),
                "GPU-hours, bound B",
                "always just enough GPUs, started in no time");
        card(
                page,
                f("%,.1f", results.bounds().boundCGpuSeconds() / 3600),
                "GPU-hours, bound C",
                "clairvoyant, each start-up costs its time");
        for (Results.Row row : results.rows()) {
            if (row.contender().kind() == Kind.OWN && row.contender().lateBudget().isPresent()) {
                card(
                        page,
                        f("%+.1f %%", 100 * results.overBoundC(row)),
                        escape(row.contender().name()),
                        f(
                                "over bound C, %.3f %% late (budget %s %%)",
                                100 * row.outcome().lateRatio(),
                                number(100 * row.contender().lateBudget().getAsDouble())));
            }
        }
        page.append("</section>");
    }

    private static void card(StringBuilder page, String figure, String name, String note) {
        page.append(
                f(
                        "<div class='card'><b>%s</b><span>%s</span><small>%s</small></div>",
                        figure, name, note));
    }

    private void cost(StringBuilder page) {
        double least = 1e-5;
        double most = least * 10;
        double dearest = 0;
        double c = results.bounds().boundCGpuSeconds();
        double cheapest = results.bounds().bGpuSeconds(0.5) / c;
        for (Results.Row row : results.rows()) {
            most = Math.max(most, row.outcome().lateRatio() * 1.3);
            dearest = Math.max(dearest, row.outcome().gpuSeconds() / c);
        }
        Figure figure =
                new Figure(
                        460,
                        new Figure.Axis("late chunks, % (log)", least * 100, most * 100, true),
                        new Figure.Axis(
                                "GPU-seconds over bound C (log)",
                                Math.max(0.05, cheapest * 0.9),
                                Math.max(1.2, dearest * 1.15),
                                true));
        List<double[]> bound = new ArrayList<>();
        for (double e = least; e <= Math.min(1, most); e *= 1.15) {
            bound.add(new double[] {100 * e, results.bounds().bGpuSeconds(e) / c});
        }
        figure.line("limit", bound, "bound B(eps)");
        List<double[]> front = new ArrayList<>();
        for (Results.Row row : results.paretoFront()) {
            front.add(point(row, least, c));
        }
        figure.line("front", front, "Pareto front");
        for (Results.Row row : results.rows()) {
            double[] p = point(row, least, c);
            Kind kind = row.contender().kind();
            figure.dot(
                    kind == Kind.OWN ? "f0" : kind == Kind.HINDSIGHT ? "f2" : "f1",
                    p[0],
                    p[1],
                    kind == Kind.OWN ? 6.5 : 4.5,
                    f(
                            "%s: %.3f %% late, %+.1f %% over bound C",
                            escape(row.contender().name()),
                            100 * row.outcome().lateRatio(),
                            100 * results.overBoundC(row)),
                    row.contender().lateBudget().isPresent()
                            || row.contender().name().startsWith("hindsight"));
        }
        page.append(
                "<section><h2>Cost against lateness</h2><p class='note'>Down and left is better. The solid line is bound B(eps); the dashed one joins what no other runnable policy beats in both.</p>");
        page.append(figure.html("Cost against lateness"));
        page.append(
                "<p class='legend'>"
                        + swatch("f0", "Reelfleet")
                        + swatch("f1", "published rivals")
                        + swatch("f2", "cannot be run: hindsight, or state that moves in no time")
                        + "</p></section>");
    }

    private static double[] point(Results.Row row, double least, double c) {
        return new double[] {
            100 * Math.max(least, row.outcome().lateRatio()), row.outcome().gpuSeconds() / c
        };
    }

    private void gpus(StringBuilder page) {
        double[] bound = bound(results).means(from, to, PARTS);
        double most = 1;
        for (double b : bound) {
            most = Math.max(most, b);
        }
        List<double[]> lines = new ArrayList<>();
        for (Results.Row row : drawn) {
            double[] line = row.outcome().gpus().means(from, to, PARTS);
            lines.add(line);
            for (double v : line) {
                most = Math.max(most, v);
            }
        }
        Figure figure =
                new Figure(
                        380,
                        new Figure.Axis("hours", 0, Math.max(1e-6, hours), false),
                        new Figure.Axis("GPUs, mean of each part", 0, most * 1.05, false));
        figure.steps("bound", bound, true);
        for (int i = lines.size() - 1; i >= 0; i--) {
            figure.steps("line c" + i, lines.get(i), false);
        }
        page.append(
                "<section><h2>GPUs over time</h2><p class='note'>From request to release. The area is bound B: ceil(active / C).</p>");
        page.append(figure.html("GPUs over time")).append(legend()).append("</section>");
    }

    private void latency(StringBuilder page) {
        double most = 2;
        for (Results.Row row : drawn) {
            most = Math.max(most, row.outcome().latencies().worstSeconds());
        }
        Figure figure =
                new Figure(
                        380,
                        new Figure.Axis("chunk latency, seconds (log)", 0.1, most * 1.2, true),
                        new Figure.Axis("share of chunks later, % (log)", 0.001, 100, true));
        for (int i = drawn.size() - 1; i >= 0; i--) {
            List<double[]> points = new ArrayList<>();
            double before = 1;
            points.add(new double[] {0.1, 100});
            for (double[] p : drawn.get(i).outcome().latencies().curve()) {
                points.add(new double[] {p[0], 100 * before});
                before = 1 - p[1];
                points.add(new double[] {p[0], 100 * Math.max(before, 1e-6)});
            }
            figure.line("line c" + i, points, escape(drawn.get(i).contender().name()));
        }
        figure.mark(results.conditions().targetMillis() / 1000);
        page.append(
                "<section><h2>Chunk latency</h2><p class='note'>How many chunks came later than a time: the distribution from its upper end. The dashed line is the target.</p>");
        page.append(figure.html("Chunk latency")).append(legend()).append("</section>");
    }

    private void moves(StringBuilder page) {
        List<Results.Row> rows =
                results.rows().stream()
                        .filter(r -> r.outcome().migrations() > 0)
                        .sorted(Comparator.comparingLong(r -> -r.outcome().migrations()))
                        .limit(24)
                        .toList();
        if (rows.isEmpty()) {
            return;
        }
        double most = rows.getFirst().outcome().migrations();
        StringBuilder bars = new StringBuilder();
        int y = 0;
        for (Results.Row row : rows) {
            long n = row.outcome().migrations();
            Kind kind = row.contender().kind();
            bars.append(
                    f(
                            "<text class='name' x='0' y='%d'>%s</text><rect class='%s' x='270' y='%d' width='%.1f' height='12' rx='2'/><text class='tick' x='%.1f' y='%d'>%,d</text>",
                            y + 12,
                            escape(row.contender().name()),
                            kind == Kind.OWN ? "f0" : kind == Kind.HINDSIGHT ? "f2" : "f1",
                            y + 2,
                            Math.max(1, 700 * n / most),
                            270 + 700 * n / most + 6,
                            y + 12,
                            n));
            y += 20;
        }
        page.append(
                "<section><h2>Migrations</h2><p class='note'>Moves of sessions whose chunks were wanted, copies at a resume included.</p>");
        page.append(
                f(
                        "<svg viewBox='0 0 1080 %d' role='img' aria-label='Migrations'>%s</svg></section>",
                        y + 6, bars));
    }

    private void table(StringBuilder page) {
        page.append(
                "<section><h2>All policies</h2><div class='scroll'><table><tr><th>policy</th><th>late %</th><th>p50 s</th><th>p99 s</th><th>worst s</th><th>GPU-h</th><th>over C %</th><th>over B(own lateness) %</th><th>peak GPUs</th><th>moves</th><th>suspends</th><th>rebuilds</th><th>scale changes</th><th>decision p50 &micro;s</th><th>p99 &micro;s</th></tr>");
        for (Results.Row row : results.rows()) {
            Outcome o = row.outcome();
            double bound = results.bounds().bGpuSeconds(o.unservedShare());
            page.append(
                    f(
                            "<tr class='%s'><td>%s</td><td>%.3f</td><td>%.3f</td><td>%.3f</td><td>%.1f</td><td>%,.1f</td><td>%+.1f</td><td>%s</td><td>%d</td><td>%,d</td><td>%,d</td><td>%,d</td><td>%,d</td><td>%.1f</td><td>%.1f</td></tr>",
                            row.contender().kind().name().toLowerCase(Locale.ROOT),
                            escape(row.contender().name()),
                            100 * o.lateRatio(),
                            o.latencies().percentileSeconds(0.5),
                            o.latencies().percentileSeconds(0.99),
                            o.latencies().worstSeconds(),
                            o.gpuSeconds() / 3600,
                            100 * results.overBoundC(row),
                            bound > 0 ? f("%+.1f", 100 * (o.gpuSeconds() / bound - 1)) : "-",
                            o.peakGpus(),
                            o.migrations(),
                            o.suspends(),
                            o.rebuilds(),
                            o.scaleChanges(),
                            o.decisions().percentile(0.5),
                            o.decisions().percentile(0.99)));
        }
        page.append("</table></div></section>");
    }

    private String legend() {
        StringBuilder legend = new StringBuilder("<p class='legend'>");
        for (int i = 0; i < drawn.size(); i++) {
            legend.append(swatch("f" + i, escape(drawn.get(i).contender().name())));
        }
        return legend.append("</p>").toString();
    }

    private static String swatch(String style, String name) {
        return f(
                "<span><svg viewBox='0 0 12 12'><rect class='%s' width='12' height='12' rx='3'/></svg>%s</span>",
                style, name);
    }

    static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("'", "&#39;")
                .replace("\"", "&quot;");
    }
}
