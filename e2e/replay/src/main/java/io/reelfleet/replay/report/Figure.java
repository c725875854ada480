package io.reelfleet.replay.report;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * One chart as SVG: two axes, either of them logarithmic. Colours are CSS classes of the report.
 */
final class Figure {
    private static final int WIDTH = 1080;
    private static final int LEFT = 64;
    private static final int RIGHT = 16;
    private static final int TOP = 12;
    private static final int BOTTOM = 46;

    private final StringBuilder body = new StringBuilder();
    private final int height;
    private final Axis x;
    private final Axis y;

    /**
     * An axis.
     *
     * @param name written beside it
     * @param least its first value
     * @param most its last value
     * @param log whether equal steps are equal factors; {@code least} must be positive then
     */
    record Axis(String name, double least, double most, boolean log) {
        double share(double v) {
            double s =
                    log
                            ? Math.log(Math.max(v, least) / least) / Math.log(most / least)
                            : (v - least) / (most - least);
            return Math.clamp(s, 0.0, 1.0);
        }

        double[] ticks() {
            if (log) {
                int from = (int) Math.ceil(Math.log10(least) - 1e-9);
                int to = (int) Math.floor(Math.log10(most) + 1e-9);
                if (to - from < 2) {
                    return steps();
                }
                double[] t = new double[to - from + 1];
                for (int i = 0; i < t.length; i++) {
                    t[i] = Math.pow(10, from + i);
                }
                return t;
            }
            double step = round((most - least) / 8);
            int from = (int) Math.ceil(least / step - 1e-9);
            int to = (int) Math.floor(most / step + 1e-9);
            double[] t = new double[Math.max(0, to - from + 1)];
            for (int i = 0; i < t.length; i++) {
                t[i] = (from + i) * step;
            }
            return t;
        }

        /** Ticks at 1, 2 and 5 where whole powers of ten would be too few. */
        private double[] steps() {
            return IntStream.rangeClosed(-9, 9)
                    .boxed()
                    .flatMapToDouble(e -> DoubleStream.of(1, 2, 5).map(f -> f * Math.pow(10, e)))
                    .filter(v -> v >= least && v <= most)
                    .toArray();
        }

        private static double round(double least) {
            double power = Math.pow(10, Math.floor(Math.log10(Math.max(least, 1e-9))));
            for (double f : new double[] {1, 2, 5, 10}) {
                if (f * power >= least - 1e-12) {
                    return f * power;
                }
            }
            return 10 * power;
        }
    }

    Figure(int height, Axis x, Axis y) {
        this.height = height;
        this.x = x;
        this.y = y;
        for (double t : x.ticks()) {
            body.append(
                    f(
                            "<line class='grid' x1='%.1f' y1='%d' x2='%.1f' y2='%d'/>"
                                    + "<text class='tick' x='%.1f' y='%d' text-anchor='middle'>%s</text>",
                            x(t),
                            TOP,
                            x(t),
                            height - BOTTOM,
                            x(t),
                            height - BOTTOM + 17,
                            number(t)));
        }
        for (double t : y.ticks()) {
            body.append(
                    f(
                            "<line class='grid' x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>"
                                    + "<text class='tick' x='%d' y='%.1f' text-anchor='end'>%s</text>",
                            LEFT, y(t), WIDTH - RIGHT, y(t), LEFT - 8, y(t) + 4, number(t)));
        }
        body.append(
                f(
                        "<text class='tick' x='%d' y='%d' text-anchor='middle'>%s</text>",
                        (LEFT + WIDTH - RIGHT) / 2, height - 6, x.name()));
        body.append(
                f(
                        "<text class='tick' x='14' y='%d' text-anchor='middle' transform='rotate(-90 14 %d)'>%s</text>",
                        (height - BOTTOM) / 2, (height - BOTTOM) / 2, y.name()));
    }

    double x(double v) {
        return LEFT + (WIDTH - LEFT - RIGHT) * x.share(v);
    }

    double y(double v) {
        return TOP + (height - TOP - BOTTOM) * (1 - y.share(v));
    }

    /** Points joined by straight lines: rows of {x, y}. */
    Figure line(String style, List<double[]> points, String title) {
        StringBuilder path = new StringBuilder();
        for (double[] p : points) {
            path.append(f("%s%.1f %.1f", path.isEmpty() ? "M" : "L", x(p[0]), y(p[1])));
        }
        body.append(f("<path class='%s' d='%s'><title>%s</title></path>", style, path, title));
        return this;
    }

    /** A value that holds over each of equal parts of the x axis. */
    Figure steps(String style, double[] values, boolean filled) {
        StringBuilder path = new StringBuilder();
        double width = (x.most() - x.least()) / values.length;
        for (int i = 0; i < values.length; i++) {
            double to = x(x.least() + (i + 1) * width);
            path.append(
                    path.isEmpty()
                            ? f("M%.1f %.1fH%.1f", x(x.least()), y(values[i]), to)
                            : f("V%.1fH%.1f", y(values[i]), to));
        }
        if (filled) {
            path.append(f("V%.1fH%.1fZ", y(y.least()), x(x.least())));
        }
        body.append(f("<path class='%s' d='%s'/>", style, path));
        return this;
    }

    /** A point with a name that shows when it is pointed at, and beside it where {@code shown}. */
    Figure dot(String style, double vx, double vy, double radius, String title, boolean shown) {
        body.append(
                f(
                        "<circle class='dot %s' cx='%.1f' cy='%.1f' r='%.1f'><title>%s</title></circle>",
                        style, x(vx), y(vy), radius, title));
        if (shown) {
            boolean right = x(vx) > WIDTH - 240;
            body.append(
                    f(
                            "<text class='name' x='%.1f' y='%.1f' text-anchor='%s'>%s</text>",
                            x(vx) + (right ? -8 : 8),
                            y(vy) + (radius > 5 ? -6 : 14),
                            right ? "end" : "start",
                            title.replaceAll(":.*", "")));
        }
        return this;
    }

    /** A vertical line. */
    Figure mark(double at) {
        body.append(
                f(
                        "<line class='target' x1='%.1f' y1='%d' x2='%.1f' y2='%d'/>",
                        x(at), TOP, x(at), height - BOTTOM));
        return this;
    }

    String html(String label) {
        return f(
                "<svg viewBox='0 0 %d %d' role='img' aria-label='%s'>%s</svg>",
                WIDTH, height, label, body);
    }

    static String number(double v) {
        if (v == 0) {
            return "0";
        }
        return new BigDecimal(f("%.6f", v)).stripTrailingZeros().toPlainString();
    }

    static String f(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
