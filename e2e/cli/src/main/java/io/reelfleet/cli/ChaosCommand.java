package io.reelfleet.cli;

import io.reelfleet.cli.chaos.Chaos;
import io.reelfleet.cli.chaos.ChaosReport;
import io.reelfleet.cli.chaos.Fault;
import io.reelfleet.cli.chaos.Isolation;
import io.reelfleet.cli.fleet.Checkout;
import io.reelfleet.cli.fleet.Folders;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code reelfleet chaos}. */
@Command(
        name = "chaos",
        description = {
            "Break a real fleet on purpose, and see that no session loses, doubles or alters a chunk.",
            "Sessions stream and move between workers while faults come: kill -9, stops, cuts, full and stalled disks,"
                    + " late and doubled commands, clocks set. Each run is drawn from its seed; its sessions are held, chunk by"
                    + " chunk, against sessions that nothing happened to. Writes summary.json; ends with 1 on any violation."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false)
final class ChaosCommand implements Callable<Integer> {
    /** Held, since a logger that nobody holds forgets its level. */
    private static final Logger NETTY = Logger.getLogger("io.netty");

    @Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "20",
            description = "How many runs (default: ${DEFAULT-VALUE}); each takes some seconds.")
    private int runs;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "1",
            description =
                    "Of the first run; the next ones have S+1, S+2, ... (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--only",
            paramLabel = "FAULT",
            split = ",",
            description = "Only these faults: ${COMPLETION-CANDIDATES} (default: all of them).")
    private Set<Fault> only = EnumSet.noneOf(Fault.class);

    @Option(
            names = "--simulated",
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Before that, N runs of the move protocol's state machines over a virtual network (10000 take seconds;"
                            + " default: none). With --runs 0: nothing else.")
    private int simulated;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = "reelfleet-out/chaos",
            description =
                    "Where summary.json goes, and logs of failing runs (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Spec private CommandSpec spec;

    @Override
    public Integer call() throws Exception {
        Checks.between("--runs", runs, simulated > 0 ? 0 : 1, 100_000);
        Checks.between("--simulated", simulated, 0, 100_000_000);
        Checks.between("--seed", seed, 0, Long.MAX_VALUE - runs);
        PrintWriter terminal = spec.commandLine().getOut();
        OptionalInt code =
                Isolation.runAgain(
                        spec.root().commandLine().getParseResult().originalArgs(),
                        () -> Signals.onFirstStop(() -> {}));
        if (code.isPresent()) {
            return code.getAsInt();
        }
        int simulation = simulated > 0 ? simulate() : 0;
        if (runs == 0) {
            return simulation;
        }
        // A network of one's own has no hardware address, which Netty warns of.
        NETTY.setLevel(Level.SEVERE);
        Thread main = Thread.currentThread();
        Signals.onFirstStop(main::interrupt);
        Path folder = out.toAbsolutePath().normalize();
        Files.createDirectories(folder);
        Path work = Files.createTempDirectory("reelfleet-chaos-");
        ChaosReport report = new ChaosReport(folder, terminal, runs, seed, only);
        terminal.println("Starting a fleet, and sessions that nothing happens to ...");
        terminal.flush();
        try (Chaos chaos = Chaos.start(work, terminal, only)) {
            for (int i = 0; i < runs; i++) {
                report.add(chaos.run(seed + i), chaos);
            }
        } catch (InterruptedException e) {
            terminal.println("Stopped.");
            Thread.interrupted();
            report.write();
            return 130;
        } finally {
            Folders.delete(work);
        }
        report.write();
        terminal.println(String.format(Locale.ROOT, "Figures: %s", folder.resolve("summary.json")));
        return report.failed() ? 1 : simulation;
    }

    private int simulate() throws Exception {
        return ChildJava.run(
                Checkout.find().workerLibraries() + "/*",
                "io.reelfleet.migration.protocol.Simulation",
                List.of(Long.toString(seed), Integer.toString(simulated)));
    }
}
