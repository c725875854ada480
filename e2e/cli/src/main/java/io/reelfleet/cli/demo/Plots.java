package io.reelfleet.cli.demo;

import io.reelfleet.cli.demo.Results.Film;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The report's curves as PNG files, for slides and tickets. */
final class Plots {
    private static final Color BLUE = new Color(0x2f6fed);
    private static final Color ORANGE = new Color(0xe08a1e);
    private static final Color GRAY = new Color(0x8a94a6);
    private static final Color RED = new Color(0xd64545);

    private Plots() {}

    static void write(DemoRecord record, List<Film> films, Path out) throws IOException {
        double[] at = record.samples().stream().mapToDouble(Sample::at).toArray();
        XYChart sessions = chart("Sessions", "sessions");
        step(
                sessions,
                "active",
                at,
                record.samples().stream().mapToDouble(Sample::active).toArray(),
                BLUE);
        step(
                sessions,
                "queued",
                at,
                record.samples().stream().mapToDouble(Sample::queued).toArray(),
                ORANGE);
        step(
                sessions,
                "suspended",
                at,
                record.samples().stream().mapToDouble(Sample::suspended).toArray(),
                GRAY);
        save(sessions, out.resolve("sessions.png"));

        XYChart workers = chart("Workers", "workers");
        step(
                workers,
                "ready",
                at,
                record.samples().stream().mapToDouble(Sample::workersReady).toArray(),
                BLUE);
        step(
                workers,
                "wanted",
                at,
                record.samples().stream().mapToDouble(Sample::workersWanted).toArray(),
                GRAY);
        save(workers, out.resolve("workers.png"));

        XYChart latency = chart("Chunk latency", "seconds from due until stored");
        List<LatencyWindows.Window> windows = LatencyWindows.of(record, films);
        if (!windows.isEmpty()) {
            double[] x = windows.stream().mapToDouble(LatencyWindows.Window::middle).toArray();
            line(
                    latency,
                    "worst",
                    x,
                    windows.stream().mapToDouble(w -> w.latencies().worst()).toArray(),
                    RED);
            line(
                    latency,
                    "p99",
                    x,
                    windows.stream().mapToDouble(w -> w.latencies().p99()).toArray(),
                    ORANGE);
            line(
                    latency,
                    "p50",
                    x,
                    windows.stream().mapToDouble(w -> w.latencies().p50()).toArray(),
                    BLUE);
        }
        double target = record.pool().getLatencyTargetS();
        if (target > 0) {
            line(
                    latency,
                    "target",
                    new double[] {0, record.seconds()},
                    new double[] {target, target},
                    GRAY);
        }
        save(latency, out.resolve("latency.png"));
    }

    private static XYChart chart(String title, String axis) {
        XYChart chart =
                new XYChartBuilder()
                        .width(1200)
                        .height(480)
                        .title(title)
                        .xAxisTitle("seconds")
                        .yAxisTitle(axis)
                        .build();
        chart.getStyler().setDefaultSeriesRenderStyle(XYSeriesRenderStyle.Line);
        chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setPlotBorderVisible(false);
        chart.getStyler().setLegendBorderColor(Color.WHITE);
        chart.getStyler().setPlotGridLinesColor(new Color(0xe3e7ee));
        chart.getStyler().setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 18));
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setXAxisMin(0.0);
        return chart;
    }

    private static void step(XYChart chart, String name, double[] x, double[] y, Color color) {
        if (x.length > 0) {
            style(
                    chart.addSeries(name, x, y).setXYSeriesRenderStyle(XYSeriesRenderStyle.Step),
                    color);
        }
    }

    private static void line(XYChart chart, String name, double[] x, double[] y, Color color) {
        style(chart.addSeries(name, x, y), color);
    }

    private static void style(org.knowm.xchart.XYSeries series, Color color) {
        series.setMarker(SeriesMarkers.NONE)
                .setLineColor(color)
                .setLineStyle(new BasicStroke(2.5f));
    }

    private static void save(XYChart chart, Path file) throws IOException {
        if (chart.getSeriesMap().isEmpty()) {
            return;
        }
        BitmapEncoder.saveBitmap(chart, file.toString(), BitmapFormat.PNG);
    }
}
