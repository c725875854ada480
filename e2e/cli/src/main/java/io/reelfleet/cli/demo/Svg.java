package io.reelfleet.cli.demo;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * One chart over time as SVG: axes with round numbers, steps, areas, lines. Colours are CSS classes
 * of the report.
 */
final class Svg {
    private static final int WIDTH = 1080;
    private static final int LEFT = 56;
    private static final int RIGHT = 16;
    private static final int TOP = 12;
    private static final int BOTTOM = 34;

    private final StringBuilder body = new StringBuilder();
    private final int height;
    private final double seconds;
    private final double top;

    /**
     * An empty chart.
     *
     * @param height of the picture, pixels
     * @param seconds length of the time axis
     * @param most the largest value to be shown; 0 draws no value axis
     * @param unit written behind the values of the axis; empty for counts, which have whole steps
     */
    Svg(int height, double seconds, double most, String unit) {
        this.height = height;
        this.seconds = Math.max(1, seconds);
        double step = unit.isEmpty() ? Math.max(1, roundStep(most / 4)) : roundStep(most / 4);
        this.top = most > 0 ? Math.ceil(most / step - 1e-9) * step : 1;
        double timeStep = roundStep(this.seconds / 10);
        for (double t = 0; t <= this.seconds + 1e-9; t += timeStep) {
            body.append(
                    f(
                            "<line class='grid' x1='%.1f' y1='%d' x2='%.1f' y2='%d'/>",
                            x(t), TOP, x(t), height - BOTTOM));
            body.append(
                    f(
                            "<text class='tick' x='%.1f' y='%d' text-anchor='middle'>%s s</text>",
                            x(t), height - 12, number(t)));
        }
        if (most > 0) {
            for (double v = 0; v <= top + 1e-9; v += step) {
                body.append(
                        f(
                                "<line class='grid' x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>",
                                LEFT, y(v), WIDTH - RIGHT, y(v)));
                body.append(
                        f(
                                "<text class='tick' x='%d' y='%.1f' text-anchor='end'>%s%s</text>",
                                LEFT - 8, y(v) + 4, number(v), unit));
            }
        }
    }

    double x(double t) {
        return LEFT + (WIDTH - LEFT - RIGHT) * Math.clamp(t / seconds, 0.0, 1.0);
    }

    double y(double value) {
        return TOP + (height - TOP - BOTTOM) * (1 - Math.clamp(value / top, 0.0, 1.0));
    }

    /** A value that holds from each sample until the next. */
    Svg steps(String style, List<Sample> samples, ToDoubleFunction<Sample> value, boolean filled) {
        if (samples.isEmpty()) {
            return this;
        }
        StringBuilder path = new StringBuilder();
        for (Sample s : samples) {
            double y = y(value.applyAsDouble(s));
            path.append(
                    path.isEmpty() ? f("M%.1f %.1f", x(s.at()), y) : f("H%.1fV%.1f", x(s.at()), y));
        }
        if (filled) {
            body.append(
                    f(
                            "<path class='area %s' d='%sV%.1fH%.1fZ'/>",
                            style, path, y(0), x(samples.getFirst().at())));
        }
        body.append(f("<path class='line %s' d='%s'/>", style, path));
        return this;
    }

    /** A value known at some times, joined by straight lines, with a dot at each. */
    Svg curve(String style, List<double[]> points) {
        StringBuilder path = new StringBuilder();
        for (double[] p : points) {
            path.append(f("%s%.1f %.1f", path.isEmpty() ? "M" : "L", x(p[0]), y(p[1])));
        }
        body.append(f("<path class='line %s' d='%s'/>", style, path));
        for (double[] p : points) {
            body.append(
                    f(
                            "<circle class='dot %s' cx='%.1f' cy='%.1f' r='2.2'/>",
                            style, x(p[0]), y(p[1])));
        }
        return this;
    }

    /** A level that is to be kept, with its name. */
    Svg level(String style, double value, String name) {
        if (value <= 0 || value > top) {
            return this;
        }
        body.append(
                f(
                        "<line class='level %s' x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>",
                        style, LEFT, y(value), WIDTH - RIGHT, y(value)));
        body.append(
                f(
                        "<text class='tick' x='%d' y='%.1f' text-anchor='end'>%s</text>",
                        WIDTH - RIGHT - 4, y(value) - 5, name));
        return this;
    }

    /** Something drawn by the caller, in this chart's coordinates. */
    Svg raw(String svg) {
        body.append(svg);
        return this;
    }

    String html(String title) {
        return f(
                "<svg viewBox='0 0 %d %d' role='img' aria-label='%s'>%s</svg>",
                WIDTH, height, title, body);
    }

    private static double roundStep(double least) {
        if (least <= 0) {
            return 1;
        }
        double power = Math.pow(10, Math.floor(Math.log10(least)));
        for (double factor : new double[] {1, 2, 5, 10}) {
            if (factor * power >= least - 1e-12) {
                return factor * power;
            }
        }
        return 10 * power;
    }

    private static String number(double v) {
        if (Math.abs(v - Math.rint(v)) < 1e-9) {
            return f("%,d", (long) Math.rint(v));
        }
        return f(Math.abs(v * 10 - Math.rint(v * 10)) < 1e-9 ? "%.1f" : "%.2f", v);
    }

    static String f(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
