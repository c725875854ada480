package io.reelfleet.cli.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.Worker;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Tensor;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Origin;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.Checkout;
import io.reelfleet.cli.fleet.FleetFolder;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import java.io.IOException;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Single faults on a fleet of real processes, each chosen to the step: what chaos meets by chance.
 * Every session is held, chunk by chunk, against one that nothing happened to, and its viewer's
 * chunks against its log.
 */
final class FaultsIT {
    private static final int WORKERS = 2;
    private static final int FRAMES_PER_SECOND = 16;
    private static final long MOST_CHUNKS = 48;
    private static final Duration SOON = Duration.ofSeconds(60);

    /** The operator's, of which its barrier of 5 s has to be independent. */
    private static final Duration WORKER_TIMEOUT = Duration.ofSeconds(12);

    /** The pages of a full window, 1.8 MB, then take some seconds before the cut-over. */
    private static final long MOVE_BYTES_PER_SECOND = 250_000;

    private static final long FULL_WINDOW = 5;

    @TempDir static Path folder;
    private static LocalFleet fleet;
    private static WorkerWatch watch;
    private static HttpClient http;
    private static List<Tensor> undisturbed;
    private static long weights;

    private final List<Driven> opened = new ArrayList<>();

    /** A session and who watches it. */
    private record Driven(String uid, SessionEntries entries, Viewer viewer) {
        long chunks() {
            return entries.readOn().chunks();
        }

        String owner() {
            return entries.readOn().newestOwner().orElseThrow().getOwner().getWorker();
        }

        long epoch() {
            return entries.readOn().newestOwner().orElseThrow().getEpoch();
        }
    }

    @BeforeAll
    static void start() throws Exception {
        PoolDocument pool = PoolDocument.manual(WORKERS, 4, Duration.ofSeconds(60));
        Map<String, String> operator = new HashMap<>();
        operator.put("reelfleet.worker-timeout", WORKER_TIMEOUT.toSeconds() + "s");
        operator.put("reelfleet.moves.bytes-per-second", Long.toString(MOVE_BYTES_PER_SECOND));
        operator.putAll(Chaos.byBits(FRAMES_PER_SECOND));
        fleet =
                LocalFleet.start(
                        new LocalFleet.Settings(
                                new FleetFolder(folder.resolve("fleet")),
                                new Checkout(Path.of("../..").toAbsolutePath().normalize()),
                                pool,
                                0,
                                0,
                                Duration.ofSeconds(60),
                                true,
                                Optional.empty()),
                        new LocalFleet.Extras(operator, Map.of()));
        watch = new WorkerWatch(fleet.folder().processes());
        http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        awaitReadyWorkers();
        FaultsIT nobody = new FaultsIT();
        Driven first = nobody.open(Pacing.PACING_UNPACED, MOST_CHUNKS);
        Driven second = nobody.open(Pacing.PACING_UNPACED, FULL_WINDOW);
        await("the undisturbed session", () -> first.entries().readOn().ended());
        await("another one, on the other worker", () -> second.entries().readOn().ended());
        undisturbed =
                first.entries().entries().stream()
                        .filter(LogEntry::hasChunk)
                        .map(e -> e.getChunk().getLatents())
                        .toList();
        assertThat(undisturbed).hasSize((int) MOST_CHUNKS);
        nobody.closeAll();
        await("workers without sessions", () -> held().distinct().count() == 1);
        weights = held().findFirst().orElseThrow();
    }

    @AfterAll
    static void end() {
        if (fleet != null) {
            fleet.close();
        }
    }

    @AfterEach
    void closeAll() throws Exception {
        for (Driven s : opened) {
            s.viewer().close();
            try {
                retrying(
                        () -> {
                            fleet.allocator().close(s.uid());
                            return s;
                        });
            } catch (Allocator.Refused e) {
                assertThat(e.status()).isEqualTo(404);
            }
        }
        opened.clear();
    }

    // ---- the operator dies in a move

    @Test
    void anOperatorKilledInAPreCopyIsFollowedByOneThatFindsTheMoveFinished() throws Exception {
        Driven moved = open(Pacing.PACING_REALTIME, 0);
        Driven neighbour = open(Pacing.PACING_REALTIME, 0);
        await("a full window", () -> moved.chunks() >= FULL_WINDOW);
        String source = moved.owner();
        String target = other(source);
        inPreCopy(moved, source, target);

        kill(LocalFleet.Piece.OPERATOR);
        long at = moved.chunks();
        long its = neighbour.chunks();
        await(
                "streams that go on while nobody leads",
                () -> moved.chunks() > at + 1 && neighbour.chunks() > its + 1);
        assertThat(moved.owner()).as("still in the pre-copy").isEqualTo(source);
        fleet.restart(LocalFleet.Piece.OPERATOR);
        await("the move's end", () -> moved.owner().equals(target));
        assertThat(moved.epoch()).isEqualTo(2);
        await(
                "the new operator's picture",
                () -> {
                    Session s = session(moved);
                    return s.getWorker().equals(target) && s.getEpoch() == 2;
                });
        long after = moved.chunks();
        await("chunks of the new owner", () -> moved.chunks() > after + 1);

        judge(neighbour, 0, 0);
        judge(moved, 1, 0);
        nothingIsHeld();
    }

    @Test
    void anOperatorAndTheSourceKilledInAPreCopyCostTheTargetNothing() throws Exception {
        Driven moved = open(Pacing.PACING_REALTIME, 0);
        await("a full window", () -> moved.chunks() >= FULL_WINDOW);
        String source = moved.owner();
        String target = other(source);
        inPreCopy(moved, source, target);
        await("the target's report of what it has reserved", () -> held(target) > weights);

        kill(LocalFleet.Piece.OPERATOR);
        kill(source);
        fleet.restart(LocalFleet.Piece.OPERATOR);
        await("another owner", () -> moved.epoch() > 1);
        long after = moved.chunks();
        await("its chunks", () -> moved.chunks() > after + 1);
        awaitReadyWorkers();

        judge(moved, 0, 1);
        nothingIsHeld();
    }

    /** Orders a move and waits until its source copies while it goes on. */
    private void inPreCopy(Driven s, String source, String target) throws Exception {
        watch.fromNow(List.of(source, target));
        fleet.allocator().move(s.uid(), target);
        assertThat(watch.await(source, s.uid(), Step.PRECOPY.state(), SOON.toMillis()))
                .as("the pre-copy")
                .isPresent();
    }

    // ---- a worker that says nothing

    @Test
    void aStoppedWorkerHoldsANewOperatorUpNoLongerThanItsBarrier() throws Exception {
        Driven one = open(Pacing.PACING_REALTIME, 0);
        Driven two = open(Pacing.PACING_REALTIME, 0);
        await("chunks", () -> one.chunks() > 0 && two.chunks() > 0);
        String silent = one.owner();
        assertThat(two.owner()).isNotEqualTo(silent);
        kill(LocalFleet.Piece.OPERATOR);
        signal("STOP", silent);
        long began = System.nanoTime();
        try {
            fleet.restart(LocalFleet.Piece.OPERATOR);
            double listens = seconds(began);
            Driven three = ask(Pacing.PACING_REALTIME, 0);
            double answers = seconds(began);
            await("a chunk of a session that came after it", () -> three.chunks() > 0);
            double serves = seconds(began);
            System.out.printf(
                    "a stopped worker: listens after %.1f s, answers after %.1f s, the first chunk of a new session after %.1f s%n",
                    listens, answers, serves);
            assertThat(phase(silent)).isEqualTo("Unknown");
            assertThat(three.owner()).isNotEqualTo(silent);
            assertThat(serves - listens)
                    .as("5 s of the barrier, and placing")
                    .isLessThan(WORKER_TIMEOUT.toSeconds() - 2);
            assertThat(answers - listens).as("an answer needs no barrier").isLessThan(4);
            assertThat(session(one).getWorker()).as("frozen where it was").isIn("", silent);
            assertThat(one.epoch()).isEqualTo(1);
        } finally {
            signal("CONT", silent);
        }
        await("the worker's word", () -> phase(silent).equals("Ready"));
        long before = one.chunks();
        await("its session's chunks", () -> one.chunks() > before + 1);
        assertThat(session(one).getWorker()).isEqualTo(silent);

        for (Driven s : List.copyOf(opened)) {
            judge(s, 0, 0);
        }
        nothingIsHeld();
    }

    @Test
    void aWorkerThatStaysStoppedIsGivenUpAndItsSessionGoesOnElsewhere() throws Exception {
        Driven one = open(Pacing.PACING_REALTIME, 0);
        await("a chunk", () -> one.chunks() > 0);
        String silent = one.owner();
        long pid = Chaos.pid(fleet, silent);
        kill(LocalFleet.Piece.OPERATOR);
        signal("STOP", silent);
        try {
            fleet.restart(LocalFleet.Piece.OPERATOR);
            await("another owner", () -> one.epoch() > 1);
        } finally {
            signal("CONT", pid);
        }
        long after = one.chunks();
        await("its chunks", () -> one.chunks() > after + 1);
        await(
                "the end of the one that was given up",
                () -> ProcessHandle.of(pid).map(p -> !p.isAlive()).orElse(true));
        awaitReadyWorkers();

        judge(one, 0, 1);
        nothingIsHeld();
    }

    // ---- a session that kills its workers

    @Test
    void aSessionUnderWhichWorkersDieIsQuarantinedItsNeighboursGoOnAndAForkTakesItUpAgain()
            throws Exception {
        Driven killer = open(Pacing.PACING_REALTIME, 0);
        Driven one = open(Pacing.PACING_REALTIME, 0);
        Driven two = open(Pacing.PACING_REALTIME, 0);
        await("chunks", () -> killer.chunks() > 0 && one.chunks() > 0 && two.chunks() > 0);
        List<String> dead = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            await("its next worker", () -> !dead.contains(killer.owner()));
            dead.add(killer.owner());
            kill(killer.owner());
        }
        await("the quarantine", () -> session(killer).getPhase().equals("Failed"));
        assertThat(session(killer).getMessage())
                .contains("quarantined: 3 workers in a row died under it");
        long its = killer.chunks();
        long ones = one.chunks();
        long twos = two.chunks();
        await("its neighbours", () -> one.chunks() > ones + 1 && two.chunks() > twos + 1);
        for (Driven neighbour : List.of(one, two)) {
            assertThat(neighbour.owner()).isNotIn(dead);
            assertThat(neighbour.entries().entries().stream().filter(LogEntry::hasOwner))
                    .as("nobody was with it on the last one")
                    .noneMatch(e -> e.getOwner().getWorker().equals(dead.getLast()));
        }
        assertThat(killer.chunks()).isEqualTo(its);
        assertThat(session(one).getPhase()).isEqualTo("Running");
        assertThat(session(two).getPhase()).isEqualTo("Running");

        Driven fork = ask(Pacing.PACING_REALTIME, 0, killer, its - 1);
        await(
                "chunks that follow its own",
                () ->
                        fork.entries().readOn().entries().stream()
                                .anyMatch(e -> e.hasChunk() && e.getChunk().getChunk() == its));
        awaitReadyWorkers();
        nothingIsHeld();
    }

    // ---- the gateway dies

    @Test
    void aViewerMissesNothingOfAGeneratedSessionWhenTheGatewayDies() throws Exception {
        Driven watched = open(Pacing.PACING_REALTIME, 0);
        await("chunks at the viewer", () -> watched.viewer().seen().size() > 2);
        kill(LocalFleet.Piece.GATEWAY);
        long at = watched.chunks();
        await("chunks that no gateway shows", () -> watched.chunks() > at + 2);
        int seen = watched.viewer().seen().size();
        assertThat((long) seen).isLessThan(watched.chunks());
        fleet.restart(LocalFleet.Piece.GATEWAY);
        await("the viewer, at the same URL", () -> watched.viewer().seen().size() > seen + 2);

        judge(watched, 0, 0);
    }

    // ---- the fleet

    private Driven open(Pacing pacing, long chunks) throws Exception {
        Driven s = ask(pacing, chunks);
        await("its first owner", () -> s.entries().readOn().newestOwner().isPresent());
        return s;
    }

    private Driven ask(Pacing pacing, long chunks) throws Exception {
        return ask(pacing, chunks, null, 0);
    }

    /** Does not wait for a worker to have it. */
    private Driven ask(Pacing pacing, long chunks, Driven from, long fromChunk) throws Exception {
        String uid = "fault-" + UUID.randomUUID().toString().substring(0, 8);
        SessionSpec.Builder spec =
                SessionSpec.newBuilder()
                        .setUid(uid)
                        .setName(uid)
                        .setNamespace("default")
                        .setPool(PoolDocument.NAME)
                        .setSeed(7)
                        .setPacing(pacing)
                        .addControls(
                                Control.newBuilder()
                                        .setKind("prompt")
                                        .setText("a red circle moving left and right on black"));
        if (chunks > 0) {
            spec.setMaxChunks(chunks);
        }
        if (from != null) {
            spec.setFrom(Origin.newBuilder().setSessionUid(from.uid()).setChunk(fromChunk));
        }
        OpenSessionRequest request =
                OpenSessionRequest.newBuilder()
                        .setSpec(spec)
                        .setDesired(Desired.DESIRED_ACTIVE)
                        .setRequestId("open-" + uid)
                        .build();
        OpenSessionResponse answer = retrying(() -> fleet.allocator().open(request));
        Driven s =
                new Driven(
                        uid,
                        new SessionEntries(fleet.folder().store(), uid),
                        new Viewer(
                                http,
                                answer.getSession().getUrl(),
                                answer.getToken(),
                                Long.MAX_VALUE));
        opened.add(s);
        return s;
    }

    /** Ends the session and holds all of it against the undisturbed one. */
    private static void judge(Driven s, int moves, int rebuilds) throws Exception {
        retrying(
                () -> {
                    fleet.allocator().close(s.uid());
                    return s;
                });
        await("the log's end", () -> s.entries().readOn().ended());
        long chunks = s.entries().chunks();
        await("all of it at the viewer", () -> s.viewer().seen().size() >= chunks);
        assertThat(chunks).as("this test took too long").isLessThanOrEqualTo(MOST_CHUNKS);
        Oracle.Finding finding =
                new Oracle(chunks, Chaos.WINDOW_CHUNKS)
                        .judge(s.entries().entries(), undisturbed, s.viewer().seen());
        assertThat(finding.violations()).as(FaultsIT::evidence).isEmpty();
        assertThat(finding.moves()).as(() -> "live moves" + evidence()).isEqualTo(moves);
        assertThat(finding.rebuilds()).as("rebuilt from the log").isEqualTo(rebuilds);
        assertThat(finding.compared()).as("held bit by bit").isPositive();
        assertThat(finding.seen()).isEqualTo(chunks);
    }

    private void nothingIsHeld() throws Exception {
        closeAll();
        await("workers to hold their weights alone", () -> held().allMatch(b -> b == weights));
    }

    private static java.util.stream.Stream<Long> held() {
        return workers().stream().map(Worker::getDeviceBytesUsed);
    }

    private static long held(String worker) {
        return workers().stream()
                .filter(w -> w.getName().equals(worker))
                .mapToLong(Worker::getDeviceBytesUsed)
                .sum();
    }

    private static String phase(String worker) {
        return workers().stream()
                .filter(w -> w.getName().equals(worker))
                .map(Worker::getPhase)
                .findFirst()
                .orElse("Gone");
    }

    private static Session session(Driven s) {
        return fleet.allocator().session(s.uid());
    }

    private static List<Worker> workers() {
        return fleet.allocator().fleet().getPoolsList().stream()
                .map(Pool::getWorkersList)
                .flatMap(List::stream)
                .toList();
    }

    private static String other(String worker) {
        return workers().stream()
                .map(Worker::getName)
                .filter(name -> !name.equals(worker))
                .findFirst()
                .orElseThrow();
    }

    private static void awaitReadyWorkers() throws Exception {
        await(
                "workers that are ready",
                () ->
                        workers().stream().filter(w -> w.getPhase().equals("Ready")).count()
                                >= WORKERS);
    }

    private static void kill(LocalFleet.Piece piece) {
        ProcessHandle process = fleet.process(piece);
        process.destroyForcibly();
        process.onExit().join();
    }

    private static void kill(String worker) throws Exception {
        ProcessHandle process = ProcessHandle.of(Chaos.pid(fleet, worker)).orElseThrow();
        process.destroyForcibly();
        process.onExit().join();
    }

    private static void signal(String signal, String worker) throws Exception {
        signal(signal, Chaos.pid(fleet, worker));
    }

    private static void signal(String signal, long pid) throws Exception {
        if (ProcessHandle.of(pid).isPresent()) {
            Programs.run("kill", "-" + signal, Long.toString(pid));
        }
    }

    private static double seconds(long since) {
        return (System.nanoTime() - since) / 1e9;
    }

    /** The operator may be away, by this test's own doing. */
    private static <T> T retrying(Callable<T> ask) throws Exception {
        long deadline = System.nanoTime() + SOON.toNanos();
        while (true) {
            try {
                return ask.call();
            } catch (Allocator.Refused e) {
                if (e.status() != 503 || System.nanoTime() > deadline) {
                    throw e;
                }
            } catch (Failure e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
            Thread.sleep(50);
        }
    }

    private static void await(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + SOON.toNanos();
        while (true) {
            try {
                if (condition.call()) {
                    return;
                }
            } catch (Failure e) {
                // Somebody is away for the moment.
            } catch (Allocator.Refused e) {
                if (e.status() != 503) {
                    throw e;
                }
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError("waited in vain for " + what + evidence());
            }
            Thread.sleep(10);
        }
    }

    private static String evidence() {
        try {
            return "\n"
                    + Files.readString(fleet.folder().logs().resolve("operator.log"))
                    + fleet.workersLastWords();
        } catch (IOException e) {
            return "\n(no log of the operator: " + e.getMessage() + ")";
        }
    }
}
