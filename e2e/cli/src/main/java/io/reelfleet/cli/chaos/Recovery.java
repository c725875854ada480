package io.reelfleet.cli.chaos;

import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.Worker;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.Checkout;
import io.reelfleet.cli.fleet.FleetFolder;
import io.reelfleet.cli.fleet.Folders;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * How long a session stands still when its worker is killed: from {@code kill -9} until its next
 * chunk is in the log, in the parts that make it up.
 */
public final class Recovery {
    private static final int WORKERS = 2;

    /** The model's window is full then: the longest rebuild there is. */
    private static final long CHUNKS_BEFORE = 6;

    private static final Duration LIMIT = Duration.ofSeconds(90);

    private Recovery() {}

    /**
     * One kill.
     *
     * @param detection seconds until the operator has given the worker up
     * @param admission seconds from then until the next owner's entry is in the log
     * @param rebuild seconds from then until its first chunk is in the log, without the next
     * @param generation seconds that the chunk itself took
     */
    public record Kill(double detection, double admission, double rebuild, double generation) {
        /** From the kill to the chunk. */
        public double total() {
            return detection + admission + rebuild + generation;
        }
    }

    /** Kills workers one after the other, each under a streaming session. */
    public static List<Kill> measure(int kills, PrintWriter progress)
            throws IOException, InterruptedException {
        Path work = Files.createTempDirectory("reelfleet-recovery-");
        PoolDocument pool = PoolDocument.manual(WORKERS, 4, Duration.ofSeconds(30));
        List<Kill> all = new ArrayList<>();
        try (LocalFleet fleet =
                LocalFleet.start(
                        new LocalFleet.Settings(
                                new FleetFolder(work.resolve("fleet")),
                                Checkout.find(),
                                pool,
                                0,
                                0,
                                Duration.ofSeconds(60),
                                true,
                                Optional.empty()))) {
            for (int i = 0; i < kills; i++) {
                await("two workers", () -> ready(fleet) == WORKERS);
                all.add(kill(fleet, i));
                progress.printf(
                        Locale.ROOT,
                        "  kill %d of %d: %.3f s%n",
                        i + 1,
                        kills,
                        all.getLast().total());
                progress.flush();
            }
        } finally {
            Folders.delete(work);
        }
        return all;
    }

    private static Kill kill(LocalFleet fleet, int number)
            throws IOException, InterruptedException {
        String uid = "recovery-" + number;
        SessionSpec spec =
                SessionSpec.newBuilder()
                        .setUid(uid)
                        .setName(uid)
                        .setNamespace("default")
                        .setPool(PoolDocument.NAME)
                        .setSeed(number)
                        .setPacing(Pacing.PACING_UNPACED)
                        .addControls(
                                Control.newBuilder()
                                        .setKind("prompt")
                                        .setText("a red circle moving up and down on black"))
                        .build();
        Allocator allocator = fleet.allocator();
        allocator.open(
                OpenSessionRequest.newBuilder()
                        .setSpec(spec)
                        .setDesired(Desired.DESIRED_ACTIVE)
                        .build());
        SessionEntries log = new SessionEntries(fleet.folder().store(), uid);
        await("chunks", () -> log.readOn().chunks() >= CHUNKS_BEFORE);
        Session session = allocator.session(uid);
        Path operatorLog = fleet.folder().logs().resolve("operator.log");
        long read = Files.size(operatorLog);
        long pid = Chaos.pid(fleet, session.getWorker());
        ProcessHandle worker =
                ProcessHandle.of(pid)
                        .orElseThrow(
                                () ->
                                        new Failure(
                                                "worker " + session.getWorker() + " does not run"));
        long at = System.nanoTime();
        worker.destroyForcibly();
        String lost = "worker " + session.getWorker() + " is lost";
        await("the operator to see it", () -> since(operatorLog, read).contains(lost));
        long detected = System.nanoTime();
        await(
                "another owner",
                () -> {
                    LogEntry owner = log.readOn().newestOwner().orElseThrow();
                    return !owner.getOwner().getWorker().equals(session.getWorker());
                });
        long admitted = System.nanoTime();
        await("its next chunk", () -> log.readOn().entries().getLast().hasChunk());
        long stored = System.nanoTime();
        double generation =
                log.entries().reversed().stream()
                        .takeWhile(LogEntry::hasChunk)
                        .reduce((later, first) -> first)
                        .orElseThrow()
                        .getChunk()
                        .getGenerateS();
        allocator.close(uid);
        return new Kill(
                (detected - at) / 1e9,
                (admitted - detected) / 1e9,
                Math.max(0, (stored - admitted) / 1e9 - generation),
                generation);
    }

    private static String since(Path file, long from) {
        try {
            byte[] all = Files.readAllBytes(file);
            int at = (int) Math.min(from, all.length);
            return new String(all, at, all.length - at, StandardCharsets.UTF_8);
        } catch (IOException e) {
            return "";
        }
    }

    private static long ready(LocalFleet fleet) {
        return fleet.allocator().fleet().getPoolsList().stream()
                .flatMap(p -> p.getWorkersList().stream())
                .map(Worker::getPhase)
                .filter("Ready"::equals)
                .count();
    }

    private static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new Failure("waited in vain for " + what);
            }
            Thread.sleep(1);
        }
    }
}
