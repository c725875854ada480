package io.reelfleet.cli;

import io.reelfleet.cli.demo.Demo;
import io.reelfleet.cli.fleet.Checkout;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code reelfleet demo}. */
@Command(
        name = "demo",
        description = {
            "Watch sessions being generated on several workers: start a fleet, drive sessions over it, write a report.",
            "Ends by itself, or with Ctrl-C, and leaves no process. Writes report.html, summary.json, plots and videos."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class DemoCommand implements Callable<Integer> {
    @Option(
            names = "--seconds",
            paramLabel = "N",
            defaultValue = "120",
            description =
                    "How long sessions come and go (default: ${DEFAULT-VALUE}); measuring and the report come on top.")
    private int seconds;

    @Option(
            names = "--workers",
            paramLabel = "N",
            defaultValue = "3",
            description = "Most workers (default: ${DEFAULT-VALUE}).")
    private int workers;

    @Option(
            names = "--trace",
            paramLabel = "FILE",
            description =
                    "Sessions after this CSV (session,burst,start_s,end_s); a seeded generator makes them otherwise.")
    private Path trace;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "1",
            description = "Of prompts, noise, generator and thinning (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "reelfleet-out",
            description = "Where the report and the videos go (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Option(names = "--no-open", description = "Do not start a browser.")
    private boolean noOpen;

    @Option(
            names = "--model",
            paramLabel = "URI",
            defaultValue = "builtin:shapes",
            description = "builtin:shapes or file:/dir (default: ${DEFAULT-VALUE}).")
    private String model;

    @Spec private CommandSpec spec;

    @Override
    public Integer call() throws Exception {
        Checks.between("--seconds", seconds, 10, 86_400);
        Checks.between("--workers", workers, 1, 64);
        Checks.between("--seed", seed, 0, Long.MAX_VALUE);
        Checks.modelUri(model);
        PrintWriter terminal = spec.commandLine().getOut();
        Demo demo =
                new Demo(
                        new Demo.Settings(
                                seconds,
                                workers,
                                Optional.ofNullable(trace),
                                seed,
                                out.toAbsolutePath().normalize(),
                                !noOpen,
                                model),
                        Checkout.find(),
                        terminal);
        Thread main = Thread.currentThread();
        Signals.onFirstStop(() -> demo.stop(main));
        try {
            demo.run();
        } catch (InterruptedException e) {
            terminal.println("Stopped before any session came; nothing is written.");
            return 130;
        }
        return 0;
    }
}
