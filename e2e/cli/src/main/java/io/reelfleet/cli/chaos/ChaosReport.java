package io.reelfleet.cli.chaos;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Console;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A line per run, what replays a run that failed, and summary.json. */
public final class ChaosReport {
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private final Path folder;
    private final PrintWriter terminal;
    private final int runs;
    private final long firstSeed;
    private final Set<Fault> only;
    private final ProgressBar bar;
    private final List<Chaos.Result> results = new ArrayList<>();

    /**
     * A report of no run yet.
     *
     * @param folder for summary.json and the logs of runs that failed
     * @param only what people restricted the faults to; empty for nothing
     */
    public ChaosReport(
            Path folder, PrintWriter terminal, int runs, long firstSeed, Set<Fault> only) {
        this.only = only;
        this.folder = folder;
        this.terminal = terminal;
        this.runs = runs;
        this.firstSeed = firstSeed;
        Console console = System.console();
        this.bar =
                console == null || !console.isTerminal()
                        ? null
                        : new ProgressBarBuilder()
                                .setTaskName("chaos")
                                .setInitialMax(runs)
                                .setUnit(" runs", 1)
                                .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BLOCK)
                                .setUpdateIntervalMillis(500)
                                .build();
    }

    /** A run has ended. */
    public void add(Chaos.Result result, Chaos chaos) {
        results.add(result);
        terminal.println(line(result));
        if (result.failed()) {
            Path evidence = folder.resolve("seed-" + result.seed());
            result.violations().forEach(v -> terminal.println("    " + v.sentence()));
            if (result.leakedBytes() > 0) {
                terminal.printf(
                        Locale.ROOT,
                        "    %,d bytes of device memory are in use with no session open%n",
                        result.leakedBytes());
            }
            terminal.println(
                    "    replay: ./reelfleet chaos --runs 1 --seed "
                            + result.seed()
                            + restriction());
            terminal.println("    logs:   " + evidence);
            chaos.keepEvidence(evidence);
        }
        terminal.flush();
        if (bar != null) {
            bar.step();
        }
    }

    private String restriction() {
        return only.isEmpty()
                ? ""
                : " --only "
                        + only.stream().map(Enum::name).sorted().collect(Collectors.joining(","));
    }

    private static String line(Chaos.Result r) {
        long chunks = r.sessions().stream().mapToLong(s -> s.compared() + s.continued()).sum();
        long compared = r.sessions().stream().mapToLong(Oracle.Finding::compared).sum();
        return String.format(
                Locale.ROOT,
                "seed %d: %s in %.1f s; %d sessions, %d chunks (%d by their bits), %d live moves, %d rebuilt, longest wait %.1f s; %s",
                r.seed(),
                r.failed() ? "FAILED" : "well",
                r.seconds(),
                r.sessions().size(),
                chunks,
                compared,
                r.sessions().stream().mapToInt(Oracle.Finding::moves).sum(),
                r.sessions().stream().mapToInt(Oracle.Finding::rebuilds).sum(),
                r.sessions().stream().mapToDouble(Oracle.Finding::longestWait).max().orElse(0),
                String.join("; ", r.acts()));
    }

    /** Whether any run must be looked at. */
    public boolean failed() {
        return results.stream().anyMatch(Chaos.Result::failed);
    }

    private long count(Oracle.Kind kind) {
        return results.stream().mapToLong(r -> r.count(kind)).sum();
    }

    /** Prints the summary and writes it. */
    public void write() throws IOException {
        if (bar != null) {
            bar.close();
        }
        List<Oracle.Finding> sessions =
                results.stream().flatMap(r -> r.sessions().stream()).toList();
        long compared = sessions.stream().mapToLong(Oracle.Finding::compared).sum();
        long continued = sessions.stream().mapToLong(Oracle.Finding::continued).sum();
        List<Oracle.Seam> seams =
                sessions.stream()
                        .flatMap(s -> s.seams().stream())
                        .filter(s -> s.usual() > 0)
                        .toList();
        long leaks = results.stream().filter(r -> r.leakedBytes() > 0).count();
        terminal.printf(
                Locale.ROOT,
                "%d runs: %d lost, %d doubled, %d altered, %d broken, %s%n",
                results.size(),
                count(Oracle.Kind.LOST),
                count(Oracle.Kind.DOUBLED),
                count(Oracle.Kind.ALTERED),
                count(Oracle.Kind.BROKEN),
                leaks == 0 ? "0 pages leaked" : "pages leaked in " + leaks + " runs");
        terminal.printf(
                Locale.ROOT,
                "%,d sessions, %,d of them forks, %,d rewinds, %,d live moves, %,d rebuilt after a crash; %,d chunks held bit by bit, %,d of continuations by their number; viewers got %,d%n",
                sessions.size(),
                sessions.stream().filter(Oracle.Finding::forked).count(),
                sessions.stream().mapToInt(Oracle.Finding::rewinds).sum(),
                sessions.stream().mapToInt(Oracle.Finding::moves).sum(),
                sessions.stream().mapToInt(Oracle.Finding::rebuilds).sum(),
                compared,
                continued,
                sessions.stream().mapToLong(Oracle.Finding::seen).sum());
        if (!seams.isEmpty()) {
            double[] ratios =
                    seams.stream().mapToDouble(s -> s.step() / s.usual()).sorted().toArray();
            terminal.printf(
                    Locale.ROOT,
                    "%d seams of continuations: the step over the seam is %.2f times its neighbours in the median, %.2f at most (latents)%n",
                    ratios.length,
                    ratios[ratios.length / 2],
                    ratios[ratios.length - 1]);
        }
        if (failed()) {
            terminal.println(
                    "failing seeds: "
                            + results.stream()
                                    .filter(Chaos.Result::failed)
                                    .map(r -> Long.toString(r.seed()))
                                    .collect(Collectors.joining(" ")));
        }
        terminal.flush();
        Files.writeString(folder.resolve("summary.json"), json());
    }

    private String json() throws IOException {
        ObjectNode top = JSON.createObjectNode();
        top.put("runs_wanted", runs);
        top.put("runs", results.size());
        top.put("first_seed", firstSeed);
        top.put("lost", count(Oracle.Kind.LOST));
        top.put("doubled", count(Oracle.Kind.DOUBLED));
        top.put("altered", count(Oracle.Kind.ALTERED));
        top.put("broken", count(Oracle.Kind.BROKEN));
        top.put("leaked_bytes", results.stream().mapToLong(Chaos.Result::leakedBytes).sum());
        top.put("seconds", results.stream().mapToDouble(Chaos.Result::seconds).sum());
        ArrayNode all = top.putArray("results");
        for (Chaos.Result r : results) {
            ObjectNode run = all.addObject();
            run.put("seed", r.seed());
            run.put("failed", r.failed());
            run.put("seconds", r.seconds());
            run.put("leaked_bytes", r.leakedBytes());
            ArrayNode acts = run.putArray("acts");
            r.acts().forEach(acts::add);
            ArrayNode violations = run.putArray("violations");
            r.violations().forEach(v -> violations.add(v.kind() + ": " + v.sentence()));
            ArrayNode sessions = run.putArray("sessions");
            for (Oracle.Finding s : r.sessions()) {
                ObjectNode session = sessions.addObject();
                session.put("compared", s.compared());
                session.put("continued", s.continued());
                session.put("seen", s.seen());
                session.put("moves", s.moves());
                session.put("rebuilds", s.rebuilds());
                session.put("rewinds", s.rewinds());
                session.put("forked", s.forked());
                session.put("longest_wait_s", s.longestWait());
                ArrayNode seams = session.putArray("seams");
                for (Oracle.Seam seam : s.seams()) {
                    ObjectNode one = seams.addObject();
                    one.put("chunk", seam.chunk());
                    if (seam.usual() > 0) {
                        one.put("step", seam.step());
                        one.put("usual", seam.usual());
                    }
                }
            }
        }
        return JSON.writeValueAsString(top) + "\n";
    }
}
