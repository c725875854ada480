package io.reelfleet.replay.report;

import io.reelfleet.replay.report.Contender.Kind;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The report's figures as PNG files, for slides and tickets. */
public final class ReplayPlots {
    private static final int PARTS = 500;
    private static final Color[] COLOURS = {
        new Color(0x2f6fed),
        new Color(0xe08a1e),
        new Color(0x2c9d6b),
        new Color(0xd64545),
        new Color(0xa259d9),
        new Color(0x14a3b8),
        new Color(0x8a8f2a),
        new Color(0x8a94a6)
    };

    private ReplayPlots() {}

    /** Writes cost.png, gpus.png, latency.png and migrations.png. */
    public static void write(Results results, Path folder) throws IOException {
        save(cost(results), folder.resolve("cost.png"));
        save(gpus(results), folder.resolve("gpus.png"));
        save(latency(results), folder.resolve("latency.png"));
        List<Results.Row> moving =
                results.rows().stream()
                        .filter(r -> r.outcome().migrations() > 0)
                        .sorted(Comparator.comparingLong(r -> -r.outcome().migrations()))
                        .limit(16)
                        .toList();
        if (!moving.isEmpty()) {
            save(migrations(moving), folder.resolve("migrations.png"));
        }
    }

    private static XYChart cost(Results results) {
        XYChart chart = chart("Cost against lateness", "late chunks, %", "GPU-seconds / bound C");
        chart.getStyler().setXAxisLogarithmic(true);
        chart.getStyler().setYAxisLogarithmic(true);
        chart.getStyler().setMarkerSize(9);
        dots(chart, results, Kind.RIVAL, "published rivals", COLOURS[1]);
        dots(chart, results, Kind.HINDSIGHT, "cannot be run", COLOURS[2]);
        dots(chart, results, Kind.OWN, "Reelfleet", COLOURS[0]);
        List<Double> x = new ArrayList<>();
        List<Double> y = new ArrayList<>();
        double c = results.bounds().boundCGpuSeconds();
        for (double e = 1e-5; e < 0.3; e *= 1.3) {
            x.add(100 * e);
            y.add(Math.max(1e-3, results.bounds().bGpuSeconds(e) / c));
        }
        line(chart.addSeries("bound B(eps)", x, y), COLOURS[7]);
        return chart;
    }

    private static void dots(XYChart chart, Results results, Kind kind, String name, Color colour) {
        List<Double> x = new ArrayList<>();
        List<Double> y = new ArrayList<>();
        for (Results.Row row : results.rows()) {
            if (row.contender().kind() == kind) {
                x.add(Math.max(1e-3, 100 * row.outcome().lateRatio()));
                y.add(1 + results.overBoundC(row));
            }
        }
        if (!x.isEmpty()) {
            chart.addSeries(name, x, y)
                    .setXYSeriesRenderStyle(XYSeriesRenderStyle.Scatter)
                    .setMarker(SeriesMarkers.CIRCLE)
                    .setMarkerColor(colour);
        }
    }

    private static XYChart gpus(Results results) {
        XYChart chart = chart("GPUs over time", "hours", "GPUs, mean of each part");
        long from = results.curve().at(0);
        long to = results.curve().at(results.curve().size() - 1);
        double[] x = new double[PARTS];
        for (int i = 0; i < PARTS; i++) {
            x[i] = (to - from) / 3_600_000.0 * (i + 0.5) / PARTS;
        }
        XYSeries bound =
                chart.addSeries("bound B", x, ReplayReport.bound(results).means(from, to, PARTS));
        bound.setXYSeriesRenderStyle(XYSeriesRenderStyle.Area).setMarker(SeriesMarkers.NONE);
        bound.setLineColor(new Color(0xb5c5e6));
        bound.setFillColor(new Color(0xd5dff2));
        int i = 0;
        for (Results.Row row : ReplayReport.drawn(results)) {
            line(
                    chart.addSeries(
                            row.contender().name(), x, row.outcome().gpus().means(from, to, PARTS)),
                    COLOURS[i++]);
        }
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setXAxisDecimalPattern("0.##");
        return chart;
    }

    private static XYChart latency(Results results) {
        XYChart chart = chart("Chunk latency", "seconds", "share of chunks at most so late, %");
        chart.getStyler().setXAxisLogarithmic(true);
        int i = 0;
        for (Results.Row row : ReplayReport.drawn(results)) {
            List<Double> x = new ArrayList<>();
            List<Double> y = new ArrayList<>();
            double before = 0;
            for (double[] p : row.outcome().latencies().curve()) {
                x.add(p[0]);
                y.add(before);
                before = 100 * p[1];
                x.add(p[0]);
                y.add(before);
            }
            Color colour = COLOURS[i++];
            if (!x.isEmpty()) {
                line(chart.addSeries(row.contender().name(), x, y), colour);
            }
        }
        return chart;
    }

    private static CategoryChart migrations(List<Results.Row> rows) {
        CategoryChart chart =
                new CategoryChartBuilder()
                        .width(1200)
                        .height(560)
                        .title("Migrations")
                        .yAxisTitle("moves of sessions whose chunks were wanted")
                        .build();
        plain(chart.getStyler());
        chart.getStyler().setLegendVisible(false);
        chart.getStyler().setXAxisLabelRotation(35);
        chart.getStyler().setSeriesColors(new Color[] {COLOURS[0]});
        chart.addSeries(
                "migrations",
                rows.stream().map(r -> r.contender().name()).toList(),
                rows.stream().map(r -> r.outcome().migrations()).toList());
        return chart;
    }

    private static XYChart chart(String title, String x, String y) {
        XYChart chart =
                new XYChartBuilder()
                        .width(1200)
                        .height(560)
                        .title(title)
                        .xAxisTitle(x)
                        .yAxisTitle(y)
                        .build();
        plain(chart.getStyler());
        chart.getStyler().setPlotGridLinesColor(new Color(0xe3e7ee));
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        return chart;
    }

    private static void plain(Styler styler) {
        styler.setChartBackgroundColor(Color.WHITE);
        styler.setPlotBorderVisible(false);
        styler.setLegendBorderColor(Color.WHITE);
        styler.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 18));
    }

    private static void line(XYSeries series, Color colour) {
        series.setMarker(SeriesMarkers.NONE).setLineColor(colour).setLineStyle(new BasicStroke(2f));
    }

    private static void save(Chart<?, ?> chart, Path file) throws IOException {
        BitmapEncoder.saveBitmap(chart, file.toString(), BitmapFormat.PNG);
    }
}
