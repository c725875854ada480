package io.reelfleet.cli;

import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceException;
import io.reelfleet.replay.production.DecisionRecord;
import io.reelfleet.replay.report.Comparison;
import io.reelfleet.replay.report.Contender;
import io.reelfleet.replay.report.ReplayPlots;
import io.reelfleet.replay.report.ReplayReport;
import io.reelfleet.replay.report.Results;
import io.reelfleet.replay.report.ResultsJson;
import io.reelfleet.replay.report.ResultsTable;
import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.MeasuredLatency;
import io.reelfleet.replay.sim.StartUp;
import io.reelfleet.replay.sim.Workload;
import io.reelfleet.scheduler.LatencyProfile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code reelfleet replay}. */
@Command(
        name = "replay",
        description = {
            "Compare policies, rivals and lower bounds on a trace, in virtual time.",
            "Writes results.json, report.html and plots; --record adds decisions-NAME.csv."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ReplayCommand implements Callable<Integer> {
    private static final int MOST_THREADS = 4;
    private static final int DEFAULT_CAPACITY = 4;

    /** 12 frames at 16 per second. */
    private static final long INTERVAL_MILLIS = 750;

    @Option(
            names = "--trace",
            paramLabel = "FILE",
            required = true,
            description =
                    "The sessions: a CSV file (session,burst,start_s,end_s), or the operator's decision records (t_s,kind,worker,session): what production did is then shown beside the policies.")
    private Path trace;

    @Option(
            names = "--policy",
            paramLabel = "NAME",
            split = ",",
            defaultValue = "all",
            description =
                    "placement+scaler, for instance least-loaded+static-peak, or all (default: ${DEFAULT-VALUE}).")
    private List<String> policies;

    @Option(
            names = "--capacity",
            paramLabel = "C",
            description =
                    "Most active sessions one GPU serves inside the latency target (default: 4, or what --latency gives).")
    private Integer capacity;

    @Option(
            names = "--latency",
            paramLabel = "FILE",
            description =
                    "Chunk latency as an engine measured it, n,seconds on each line (default: 0.75 s x n / C).")
    private Path latency;

    @Option(
            names = "--startup",
            paramLabel = "S|FILE",
            defaultValue = "30",
            description =
                    "Seconds from a GPU's request until it serves, or a file of measured ones to draw from, one on each line (default: ${DEFAULT-VALUE}).")
    private String startUp;

    @Option(
            names = "--late-budget",
            paramLabel = "E",
            split = ",",
            defaultValue = "0.05,0.01,0.001",
            description =
                    "Shares of chunks that may be late; the project's policy runs once for each (default: ${DEFAULT-VALUE}).")
    private List<Double> lateBudgets;

    @Option(
            names = "--scale",
            paramLabel = "K",
            defaultValue = "1",
            description =
                    "Lay K copies of the trace over each other, each after the first shifted by a random time (default: ${DEFAULT-VALUE}).")
    private int scale;

    @Option(
            names = "--worker-life",
            paramLabel = "S",
            defaultValue = "0",
            description = "Mean seconds until a GPU fails; 0: never (default: ${DEFAULT-VALUE}).")
    private double workerLife;

    @Option(names = "--record", description = "Write decisions-NAME.csv for each policy.")
    private boolean record;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "reelfleet-out",
            description = "Where everything goes (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "1",
            description =
                    "Of shifts, start-up times, failures and policies that draw (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Spec private CommandSpec spec;

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (capacity != null && (capacity < 1 || capacity > 1_000)) {
            throw wrong("--capacity is " + capacity + ": write a number from 1 to 1000");
        }
        if (scale < 1 || scale > 10_000) {
            throw wrong("--scale is " + scale + ": write a number from 1 to 10000");
        }
        if (!(workerLife >= 0 && workerLife < 1e9)) {
            throw wrong("--worker-life is " + workerLife + ": write seconds, 0 for never");
        }
        for (double e : lateBudgets) {
            if (!(e >= 0 && e < 1)) {
                throw wrong("--late-budget is " + e + ": write a share from 0 to 1, 0.01 is 1 %");
            }
        }
        Comparison comparison;
        List<Contender> contenders;
        try {
            Conditions world = world();
            Optional<DecisionRecord> production =
                    DecisionRecord.is(trace)
                            ? Optional.of(DecisionRecord.read(trace))
                            : Optional.empty();
            Optional<Trace> seen =
                    production.isPresent()
                            ? Optional.of(production.get().trace())
                            : Optional.empty();
            Workload work =
                    seen.isPresent()
                            ? Workload.of(seen.get(), scale, seed)
                            : Workload.read(trace, scale, seed);
            comparison =
                    new Comparison(trace.getFileName().toString(), scale, work, world, lateBudgets);
            contenders = comparison.contenders(policies);
            if (production.isPresent()) {
                comparison.beside(
                        production
                                .get()
                                .outcome(seen.get(), world.intervalMillis(), world.latency()));
            }
        } catch (TraceException e) {
            throw wrong(e.getMessage());
        } catch (IllegalArgumentException e) {
            throw wrong("--policy: " + e.getMessage());
        }
        PrintWriter terminal = spec.commandLine().getOut();
        Files.createDirectories(out);
        AtomicInteger done = new AtomicInteger();
        Results results =
                comparison.run(
                        contenders,
                        record ? Optional.of(out) : Optional.empty(),
                        Math.clamp(Runtime.getRuntime().availableProcessors(), 1, MOST_THREADS),
                        name -> progress(terminal, done.incrementAndGet(), contenders.size()));
        ResultsTable.print(results, terminal);
        ResultsJson.write(results, out.resolve("results.json"));
        ReplayReport.write(results, out.resolve("report.html"));
        ReplayPlots.write(results, out);
        terminal.println(
                "Written to "
                        + out
                        + ": report.html, results.json, plots"
                        + (record ? ", decisions-NAME.csv." : "."));
        return 0;
    }

    private void progress(PrintWriter terminal, int done, int all) {
        if (System.console() != null && System.console().isTerminal()) {
            terminal.print("\r" + done + " of " + all + " policies" + (done == all ? "\r" : ""));
            terminal.flush();
        }
    }

    private Conditions world() throws TraceException {
        StartUp start = startUp();
        if (latency == null) {
            return Conditions.comparison(
                            capacity == null ? DEFAULT_CAPACITY : capacity, start, seed)
                    .failing(workerLife);
        }
        LatencyProfile measured = MeasuredLatency.read(latency);
        return Conditions.of(
                        capacity == null ? measured.capacity(INTERVAL_MILLIS) : capacity,
                        INTERVAL_MILLIS,
                        measured,
                        start,
                        seed)
                .failing(workerLife);
    }

    private StartUp startUp() throws TraceException {
        double seconds;
        try {
            seconds = Double.parseDouble(startUp);
        } catch (NumberFormatException e) {
            return StartUp.sampledFrom(Path.of(startUp));
        }
        if (!(seconds >= 0 && seconds <= 86_400)) {
            throw wrong(
                    "--startup is "
                            + startUp
                            + ": write seconds from 0 to 86400, or a file of such numbers");
        }
        return StartUp.fixed(seconds);
    }

    private ParameterException wrong(String sentence) {
        return new ParameterException(spec.commandLine(), sentence);
    }
}
