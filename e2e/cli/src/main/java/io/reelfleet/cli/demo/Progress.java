package io.reelfleet.cli.demo;

import java.io.Console;
import java.io.PrintWriter;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** How the demo goes: a bar on a terminal, a line every ten seconds into a file. */
final class Progress implements AutoCloseable {
    private static final int LINE_EVERY_S = 10;

    private final ProgressBar bar;
    private final PrintWriter lines;
    private final int seconds;
    private double nextLine;

    private Progress(ProgressBar bar, PrintWriter lines, int seconds) {
        this.bar = bar;
        this.lines = lines;
        this.seconds = seconds;
    }

    static Progress start(int seconds, PrintWriter terminal) {
        Console console = System.console();
        if (console == null || !console.isTerminal()) {
            return new Progress(null, terminal, seconds);
        }
        ProgressBar bar =
                new ProgressBarBuilder()
                        .setTaskName("demo")
                        .setInitialMax(seconds)
                        .setUnit(" s", 1)
                        .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BLOCK)
                        .setUpdateIntervalMillis(500)
                        .hideEta()
                        .build();
        return new Progress(bar, terminal, seconds);
    }

    void show(Sample s) {
        String late =
                s.chunksGenerated() == 0
                        ? "0"
                        : String.format(
                                Locale.ROOT, "%.1f", 100.0 * s.chunksLate() / s.chunksGenerated());
        String text =
                String.format(
                        Locale.ROOT,
                        "sessions %d active %d queued %d suspended | workers %d/%d | chunks %d, late %s %%",
                        s.active(),
                        s.queued(),
                        s.suspended(),
                        s.workersReady(),
                        s.workersWanted(),
                        s.chunksGenerated(),
                        late);
        if (bar != null) {
            bar.stepTo((long) s.at());
            bar.setExtraMessage(text);
        } else if (s.at() >= nextLine) {
            lines.printf(Locale.ROOT, "  %3.0f of %d s: %s%n", s.at(), seconds, text);
            lines.flush();
            nextLine += LINE_EVERY_S;
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }
}
