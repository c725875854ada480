package io.reelfleet.cli.chaos;

import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.Fleet;
import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.api.allocator.v1.UpdateSessionRequest;
import io.reelfleet.api.allocator.v1.Worker;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Tensor;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Origin;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.RewindRequest;
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
import java.io.UncheckedIOException;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * One fleet of real processes through many runs: sessions stream and move, a seed's faults come,
 * the oracle judges. The fleet stays up between runs; what a run has killed is there again before
 * the next.
 */
public final class Chaos implements AutoCloseable {
    /** Chunks of a session: more than three times what the window holds. */
    static final long CHUNKS = 14;

    /** The model's window, 12 latent frames of 3 in a chunk. */
    static final long WINDOW_CHUNKS = 4;

    private static final int WORKERS = 3;
    private static final int PER_WORKER = 4;
    private static final int FRAMES_PER_SECOND = 32;
    private static final Duration PATIENCE_WITH_WORKERS = Duration.ofSeconds(4);
    private static final Duration START_LIMIT = Duration.ofSeconds(120);
    private static final Duration END_LIMIT = Duration.ofSeconds(60);
    private static final Duration LEAK_LIMIT = Duration.ofSeconds(20);
    private static final Duration BACK_LIMIT = Duration.ofSeconds(60);
    private static final long STEP_MILLIS = 2_000;
    private static final List<String> SCRIPTS =
            List.of(
                    "a red circle moving left and right on a black background",
                    "a blue square moving up and down on a white background",
                    "a green triangle moving clockwise on a gray background",
                    "a yellow circle moving counterclockwise on a navy background");

    private final LocalFleet fleet;
    private final Machine machine;
    private final WorkerWatch watch;
    private final Oracle oracle = new Oracle(CHUNKS, WINDOW_CHUNKS);
    private final Path tls;
    private final List<List<Tensor>> undisturbed = new ArrayList<>();
    private final HttpClient http;
    private final Set<Fault> faults;

    /** Device memory of a worker without sessions. */
    private long weights;

    /** A session of a run. */
    private record Driven(
            SessionSpec spec, int script, SessionEntries entries, Viewer viewer, String token) {
        String uid() {
            return spec.getUid();
        }
    }

    /**
     * How a run went.
     *
     * @param violations in sentences; empty when all is well
     * @param leakedBytes device memory in use after all sessions were closed
     * @param acts what was done, as far as it could be
     */
    public record Result(
            long seed,
            List<Oracle.Violation> violations,
            List<Oracle.Finding> sessions,
            long leakedBytes,
            List<String> acts,
            double seconds) {
        /** Whether it must be looked at. */
        public boolean failed() {
            return !violations.isEmpty() || leakedBytes > 0;
        }

        long count(Oracle.Kind kind) {
            return violations.stream().filter(v -> v.kind() == kind).count();
        }
    }

    private Chaos(LocalFleet fleet, Machine machine, Set<Fault> faults) {
        this.faults = faults;
        this.fleet = fleet;
        this.machine = machine;
        this.watch = new WorkerWatch(fleet.folder().processes());
        this.tls = fleet.folder().tls().resolve("operator");
        this.http = client();
    }

    private static HttpClient client() {
        return HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(2))
                .build();
    }

    /**
     * Settings of an operator whose workers run batches of one: the bits then do not depend on
     * which sessions happen to run together.
     */
    static Map<String, String> byBits(int framesPerSecond) {
        return Map.of(
                "reelfleet.processes.java-options",
                "-Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
                        + " --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow"
                        + " -Dreelfleet.worker.batch=1 -Dreelfleet.model.fps="
                        + framesPerSecond);
    }

    /**
     * Starts the fleet and generates the undisturbed sessions.
     *
     * @param folder for the fleet, new
     * @param only these faults, as far as the machine allows them; empty for all
     */
    public static Chaos start(Path folder, PrintWriter terminal, Set<Fault> only)
            throws InterruptedException, IOException {
        Checkout checkout = Checkout.find();
        FleetFolder fleetFolder = new FleetFolder(folder.resolve("fleet"));
        Machine machine = Machine.find(folder.resolve("machine"), fleetFolder.store());
        for (String sentence : machine.missing()) {
            terminal.println(sentence);
        }
        Set<Fault> faults = EnumSet.allOf(Fault.class);
        faults.removeIf(
                f -> !machine.there().contains(f.need()) || (!only.isEmpty() && !only.contains(f)));
        if (faults.isEmpty()) {
            machine.close();
            throw new Failure("none of the faults of --only can be done on this machine");
        }
        PoolDocument pool = PoolDocument.manual(WORKERS, PER_WORKER, Duration.ofSeconds(30));
        Map<String, String> operator = new LinkedHashMap<>();
        operator.put("reelfleet.worker-timeout", PATIENCE_WITH_WORKERS.toSeconds() + "s");
        operator.putAll(byBits(FRAMES_PER_SECOND));
        LocalFleet fleet;
        try {
            fleet =
                    LocalFleet.start(
                            new LocalFleet.Settings(
                                    fleetFolder,
                                    checkout,
                                    pool,
                                    0,
                                    0,
                                    Duration.ofSeconds(60),
                                    true,
                                    Optional.empty()),
                            new LocalFleet.Extras(operator, machine.environment()));
        } catch (RuntimeException | InterruptedException e) {
            machine.close();
            throw e;
        }
        Chaos chaos = new Chaos(fleet, machine, faults);
        try {
            chaos.awaitWorkers(WORKERS, START_LIMIT);
            chaos.generateUndisturbed();
            return chaos;
        } catch (RuntimeException | InterruptedException | IOException e) {
            chaos.close();
            throw e;
        }
    }

    // ---- a run

    /** One run. */
    public Result run(long seed) throws InterruptedException, IOException {
        Plan plan = Plan.draw(seed, faults);
        long began = System.nanoTime();
        List<Driven> sessions = new ArrayList<>();
        List<String> acts = new ArrayList<>();
        List<Oracle.Violation> violations = new ArrayList<>();
        List<Oracle.Finding> findings = new ArrayList<>();
        long leaked;
        List<Thread> changes = new ArrayList<>();
        try {
            for (Plan.Opened opened : plan.sessions()) {
                sessions.add(open(opened.script(), opened.pacing()));
            }
            for (Driven s : sessions) {
                await(() -> s.entries().readOn().chunks() > 0, END_LIMIT);
            }
            List<Driven> forks = Collections.synchronizedList(new ArrayList<>());
            List<String> changed = Collections.synchronizedList(new ArrayList<>());
            for (Plan.Change change : plan.changes()) {
                Driven of = sessions.get(change.session());
                changes.add(
                        Thread.ofVirtual()
                                .name("change")
                                .start(() -> changed.add(change(change, seed, of, forks))));
            }
            for (Plan.Act act : plan.acts()) {
                acts.add(perform(act, sessions.get(act.session())));
            }
            for (Thread change : changes) {
                change.join(END_LIMIT);
            }
            sessions.addAll(forks);
            acts.addAll(changed);
            long deadline = System.nanoTime() + END_LIMIT.toNanos();
            for (Driven s : sessions) {
                await(
                        () -> s.entries().readOn().ended(),
                        Duration.ofNanos(Math.max(0, deadline - System.nanoTime())));
            }
            for (Driven s : sessions) {
                s.viewer().awaitAll(Duration.ofSeconds(s.entries().ended() ? 15 : 1));
                Oracle.Finding finding =
                        oracle.judge(
                                s.entries().entries(),
                                undisturbed.get(s.script()),
                                s.viewer().seen());
                findings.add(finding);
                finding.violations()
                        .forEach(
                                v ->
                                        violations.add(
                                                new Oracle.Violation(
                                                        v.kind(),
                                                        "session %s: %s"
                                                                .formatted(
                                                                        s.uid(), v.sentence()))));
            }
        } finally {
            changes.forEach(Thread::interrupt);
            for (Driven s : sessions) {
                s.viewer().close();
            }
        }
        awaitWorkers(WORKERS, BACK_LIMIT);
        for (Driven s : sessions) {
            close(s);
        }
        leaked = leaked();
        if (violations.isEmpty() && leaked == 0) {
            for (Driven s : sessions) {
                Folders.delete(fleet.folder().store().resolve("sessions").resolve(s.uid()));
            }
        }
        return new Result(
                seed,
                List.copyOf(violations),
                List.copyOf(findings),
                leaked,
                List.copyOf(acts),
                (System.nanoTime() - began) / 1e9);
    }

    /** Does what somebody wants of a session, and says what came of it. */
    private String change(Plan.Change change, long seed, Driven of, List<Driven> forks) {
        SessionEntries log = new SessionEntries(fleet.folder().store(), of.uid());
        try {
            await(() -> log.readOn().chunks() >= change.after() || log.ended(), END_LIMIT);
            if (change.fork()) {
                forks.add(
                        open(
                                of.script(),
                                of.spec().getPacing(),
                                Optional.of(
                                        Origin.newBuilder()
                                                .setSessionUid(of.uid())
                                                .setChunk(change.chunk())
                                                .build())));
            } else {
                UpdateSessionRequest request =
                        UpdateSessionRequest.newBuilder()
                                .setUid(of.uid())
                                .setRewind(
                                        RewindRequest.newBuilder()
                                                .setId("chaos-" + seed + "-" + change.after())
                                                .setChunk(change.chunk()))
                                .build();
                retrying(() -> fleet.allocator().update(request));
            }
            return change.toString();
        } catch (Failure e) {
            return change + " (not done: " + e.getMessage() + ")";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return change + " (given up)";
        }
    }

    private Driven open(int script, Pacing pacing) throws InterruptedException {
        return open(script, pacing, Optional.empty());
    }

    private Driven open(int script, Pacing pacing, Optional<Origin> from)
            throws InterruptedException {
        String uid = "chaos-" + UUID.randomUUID().toString().substring(0, 8);
        SessionSpec.Builder spec =
                SessionSpec.newBuilder()
                        .setUid(uid)
                        .setName(uid)
                        .setNamespace("default")
                        .setPool(PoolDocument.NAME)
                        .setSeed(100 + script)
                        .setPacing(pacing)
                        .setMaxChunks(CHUNKS)
                        .addControls(
                                Control.newBuilder()
                                        .setKind("prompt")
                                        .setText(SCRIPTS.get(script)));
        from.ifPresent(spec::setFrom);
        OpenSessionRequest request =
                OpenSessionRequest.newBuilder()
                        .setSpec(spec)
                        .setDesired(Desired.DESIRED_ACTIVE)
                        .setRequestId("open-" + uid)
                        .build();
        OpenSessionResponse opened = retrying(() -> fleet.allocator().open(request));
        return new Driven(
                opened.getSession().getSpec(),
                script,
                new SessionEntries(fleet.folder().store(), uid),
                new Viewer(http, opened.getSession().getUrl(), opened.getToken(), CHUNKS),
                opened.getToken());
    }

    private void close(Driven s) throws InterruptedException {
        retrying(
                () -> {
                    try {
                        fleet.allocator().close(s.uid());
                    } catch (Allocator.Refused e) {
                        if (e.status() != 404) {
                            throw e;
                        }
                    }
                    return s;
                });
    }

    private void generateUndisturbed() throws InterruptedException, IOException {
        List<Driven> sessions = new ArrayList<>();
        for (int i = 0; i < SCRIPTS.size(); i++) {
            sessions.add(open(i, Pacing.PACING_UNPACED));
        }
        for (Driven s : sessions) {
            await(() -> s.entries().readOn().ended(), START_LIMIT);
            if (!s.entries().ended()) {
                throw new Failure(
                        "the undisturbed session "
                                + s.uid()
                                + " did not end"
                                + fleet.workersLastWords());
            }
            undisturbed.add(
                    s.entries().entries().stream()
                            .filter(LogEntry::hasChunk)
                            .map(e -> e.getChunk().getLatents())
                            .toList());
            s.viewer().close();
            close(s);
        }
        // Weights count as used. A worker tells them once it has done something.
        await(() -> equalWeights() > 0, LEAK_LIMIT);
        weights = equalWeights();
        long left = leaked();
        if (left > 0) {
            throw new Failure(
                    left + " bytes of device memory are in use after undisturbed sessions");
        }
    }

    /** What all workers hold without sessions; 0 while they differ. */
    private long equalWeights() {
        try {
            List<Long> used =
                    workers().stream().map(Worker::getDeviceBytesUsed).distinct().toList();
            return used.size() == 1 ? used.getFirst() : 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 0;
        }
    }

    // ---- faults

    /** Does what the plan says, and says what was done. */
    private String perform(Plan.Act act, Driven s) throws InterruptedException, IOException {
        Thread.sleep(act.lead());
        Optional<Session> now = session(s.uid());
        String source = now.map(Session::getWorker).orElse("");
        List<Worker> workers = workers();
        String target =
                workers.stream()
                        .filter(w -> !w.getName().equals(source) && w.getPhase().equals("Ready"))
                        .map(Worker::getName)
                        .findFirst()
                        .orElse("");
        long epoch = now.map(Session::getEpoch).orElse(0L);
        long term = term();
        WorkerWatch.Seen seen = new WorkerWatch.Seen("", source, target);
        String how = "";
        if (act.step() != Step.OUTSIDE && !source.isEmpty() && !target.isEmpty()) {
            watch.fromNow(List.of(source, target));
            try {
                fleet.allocator().move(s.uid(), target);
                if (act.step().state() != null) {
                    String at = act.step().atTarget() ? target : source;
                    Optional<WorkerWatch.Seen> found =
                            watch.await(at, s.uid(), act.step().state(), STEP_MILLIS);
                    seen = found.orElse(seen);
                    how = found.isPresent() ? "" : " (it came to no such step)";
                }
            } catch (Allocator.Refused e) {
                how = " (no move: " + e.getMessage() + ")";
            } catch (Failure e) {
                how = " (no move: the operator is away)";
            }
        } else if (act.step() != Step.OUTSIDE) {
            how = " (no move: it is on no worker, or there is no other)";
        }
        Thread.sleep(act.delay());
        Context context = new Context(act, s, source, target, epoch, term, workers, seen.id());
        strike(context);
        return act + how;
    }

    private record Context(
            Plan.Act act,
            Driven session,
            String source,
            String target,
            long epoch,
            long term,
            List<Worker> workers,
            String move) {
        String endpoint(String worker) {
            return workers.stream()
                    .filter(w -> w.getName().equals(worker))
                    .map(Worker::getEndpoint)
                    .findFirst()
                    .orElse("");
        }
    }

    private void strike(Context c) throws InterruptedException, IOException {
        switch (c.act().fault()) {
            case KILL_SOURCE -> kill(pid(c.source()));
            case KILL_TARGET -> kill(pid(c.target()));
            case KILL_OPERATOR -> killAndRestart(LocalFleet.Piece.OPERATOR);
            case KILL_GATEWAY -> killAndRestart(LocalFleet.Piece.GATEWAY);
            case STOP_SOURCE -> stop(pid(c.source()), c.act().hold());
            case STOP_TARGET -> stop(pid(c.target()), c.act().hold());
            case STOP_OPERATOR ->
                    stop(fleet.process(LocalFleet.Piece.OPERATOR).pid(), c.act().hold());
            case STOP_GATEWAY ->
                    stop(fleet.process(LocalFleet.Piece.GATEWAY).pid(), c.act().hold());
            case FORGOTTEN_SOURCE -> forget(c.source(), c.act().hold());
            case CUT_SOURCE -> cut(c.endpoint(c.source()), c.act().hold());
            case CUT_TARGET -> cut(c.endpoint(c.target()), c.act().hold());
            case CUT_DATA -> cutData(c);
            case FULL_DISK -> {
                machine.fill();
                Thread.sleep(c.act().hold());
                machine.empty();
            }
            case STALLED_DISK -> {
                machine.freeze();
                try {
                    Thread.sleep(c.act().hold());
                } finally {
                    machine.thaw();
                }
            }
            case LATE_COMMANDS -> late(c);
            case DOUBLED_COMMANDS -> doubled(c);
            case SECOND_MOVE -> secondMove(c);
            case CLOCK_SOURCE -> {
                long pid = pid(c.source());
                if (pid > 0) {
                    machine.setClock(pid, c.act().jump());
                }
            }
            case CLOCK_OPERATOR ->
                    machine.setClock(
                            fleet.process(LocalFleet.Piece.OPERATOR).pid(), c.act().jump());
        }
    }

    private void kill(long pid) {
        ProcessHandle.of(pid).filter(p -> pid > 0).ifPresent(ProcessHandle::destroyForcibly);
    }

    private void killAndRestart(LocalFleet.Piece piece) throws InterruptedException {
        ProcessHandle process = fleet.process(piece);
        process.destroyForcibly();
        process.onExit().join();
        fleet.restart(piece);
    }

    private static void stop(long pid, int millis) throws InterruptedException {
        if (pid <= 0) {
            return;
        }
        Programs.run("kill", "-STOP", Long.toString(pid));
        try {
            Thread.sleep(millis);
        } finally {
            Programs.run("kill", "-CONT", Long.toString(pid));
        }
    }

    /**
     * The operator no longer finds the worker, and gives its sessions to others while it goes on:
     * two that believe they own them. At last it is killed, since nobody else would end it.
     */
    private void forget(String worker, int millis) throws InterruptedException, IOException {
        long pid = pid(worker);
        if (pid <= 0) {
            return;
        }
        try {
            Files.deleteIfExists(fleet.folder().processes().resolve(worker + ".launch.json"));
            Thread.sleep(millis);
        } finally {
            kill(pid);
        }
    }

    private void cut(String endpoint, int millis) throws InterruptedException {
        if (endpoint.isEmpty()) {
            return;
        }
        machine.cut(Integer.parseInt(endpoint.substring(endpoint.lastIndexOf(':') + 1)));
        try {
            Thread.sleep(millis);
        } finally {
            machine.heal();
        }
    }

    private void cutData(Context c) throws InterruptedException {
        Set<Integer> kept = new HashSet<>();
        FleetFolder.Running running = fleet.folder().running().orElseThrow();
        kept.add(java.net.URI.create(running.operatorUrl()).getPort());
        kept.add(java.net.URI.create(running.gatewayUrl()).getPort());
        for (Worker w : c.workers()) {
            if (!w.getEndpoint().isEmpty()) {
                kept.add(
                        Integer.parseInt(
                                w.getEndpoint().substring(w.getEndpoint().lastIndexOf(':') + 1)));
            }
        }
        machine.cutBut(kept);
        try {
            Thread.sleep(c.act().hold());
        } finally {
            machine.heal();
        }
    }

    private void late(Context c) {
        for (Worker w : c.workers()) {
            if (w.getEndpoint().isEmpty() || c.epoch() <= 0) {
                continue;
            }
            try (Rogue rogue = new Rogue(w.getEndpoint(), tls, c.term())) {
                // To its owner what is of an earlier epoch, to others what is of this one.
                boolean owner = w.getName().equals(c.source());
                rogue.late(c.session().spec(), owner ? c.epoch() - 1 : Math.max(1, c.epoch() - 1));
                rogue.cancel(move(c, "late", c.epoch()), c.epoch() - 1);
            }
        }
    }

    private void doubled(Context c) {
        if (c.move().isEmpty()) {
            return;
        }
        Move move = move(c, c.move(), c.epoch() + 1);
        for (String worker : List.of(c.target(), c.source())) {
            try (Rogue rogue = new Rogue(c.endpoint(worker), tls, c.term())) {
                rogue.again(move, c.session().spec(), c.epoch(), worker.equals(c.target()));
            }
        }
    }

    private void secondMove(Context c) {
        Optional<Worker> third =
                c.workers().stream()
                        .filter(
                                w ->
                                        !w.getName().equals(c.source())
                                                && !w.getName().equals(c.target())
                                                && !w.getEndpoint().isEmpty())
                        .findFirst();
        if (third.isEmpty() || c.source().isEmpty()) {
            return;
        }
        Move move =
                Move.newBuilder()
                        .setId("chaos-" + UUID.randomUUID().toString().substring(0, 8))
                        .setSessionUid(c.session().uid())
                        .setSource(c.source())
                        .setTarget(third.get().getName())
                        .setEpoch(c.epoch() + 1)
                        .build();
        try (Rogue target = new Rogue(third.get().getEndpoint(), tls, c.term());
                Rogue source = new Rogue(c.endpoint(c.source()), tls, c.term())) {
            MoveResponse place = target.prepare(move, c.session().spec());
            source.start(move, c.epoch(), place.getHost(), place.getPort());
        } catch (io.grpc.StatusRuntimeException e) {
            // Refused, or one of them is gone.
        }
    }

    private static Move move(Context c, String id, long epoch) {
        return Move.newBuilder()
                .setId(id)
                .setSessionUid(c.session().uid())
                .setSource(c.source())
                .setTarget(c.target())
                .setEpoch(epoch)
                .build();
    }

    // ---- what the fleet says

    private interface Ask<T> {
        T run();
    }

    /** The operator may be away for a moment, by this program's own doing. */
    private <T> T retrying(Ask<T> ask) throws InterruptedException {
        long deadline = System.nanoTime() + BACK_LIMIT.toNanos();
        while (true) {
            try {
                return ask.run();
            } catch (Allocator.Refused e) {
                if (e.status() != 503 || System.nanoTime() > deadline) {
                    throw new Failure("the operator refuses: " + e.getMessage(), e);
                }
            } catch (Failure e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
            Thread.sleep(100);
        }
    }

    private Optional<Session> session(String uid) {
        try {
            return Optional.of(fleet.allocator().session(uid));
        } catch (Allocator.Refused | Failure e) {
            return Optional.empty();
        }
    }

    private long term() throws InterruptedException {
        return retrying(() -> fleet.allocator().fleet()).getTerm();
    }

    private List<Worker> workers() throws InterruptedException {
        Fleet picture = retrying(() -> fleet.allocator().fleet());
        return picture.getPoolsList().stream()
                .map(Pool::getWorkersList)
                .flatMap(List::stream)
                .toList();
    }

    private void awaitWorkers(int count, Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (true) {
            fleet.checkAlive();
            long ready = workers().stream().filter(w -> w.getPhase().equals("Ready")).count();
            if (ready >= count) {
                return;
            }
            if (System.nanoTime() > deadline) {
                throw new Failure(
                        ready
                                + " of "
                                + count
                                + " workers were ready within "
                                + limit.toSeconds()
                                + " s"
                                + fleet.workersLastWords());
            }
            Thread.sleep(50);
        }
    }

    /** Device memory beside the weights that is in use though no session is open. */
    private long leaked() throws InterruptedException {
        long deadline = System.nanoTime() + LEAK_LIMIT.toNanos();
        while (true) {
            long bytes =
                    workers().stream()
                            .mapToLong(w -> Math.max(0, w.getDeviceBytesUsed() - weights))
                            .sum();
            if (bytes == 0 || System.nanoTime() > deadline) {
                return bytes;
            }
            Thread.sleep(50);
        }
    }

    private long pid(String worker) throws IOException {
        return pid(fleet, worker);
    }

    /** The process of a worker; 0 when there is none. */
    static long pid(LocalFleet fleet, String worker) throws IOException {
        Path file = fleet.folder().processes().resolve(worker + ".launch.json");
        if (worker.isEmpty() || !Files.exists(file)) {
            return 0;
        }
        return new com.fasterxml.jackson.databind.ObjectMapper()
                .readTree(file.toFile())
                .path("pid")
                .asLong();
    }

    private static boolean await(BooleanSupplier condition, Duration limit)
            throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            Thread.sleep(10);
        }
        return true;
    }

    /** Logs of all parts, and of the sessions that are still there. */
    public void keepEvidence(Path into) {
        Set<Path> from = new LinkedHashSet<>();
        from.add(fleet.folder().logs());
        from.add(fleet.folder().processes());
        from.add(fleet.folder().store().resolve("sessions"));
        try {
            for (Path source : from) {
                if (!Files.exists(source)) {
                    continue;
                }
                try (Stream<Path> files = Files.walk(source)) {
                    for (Path file : files.filter(Files::isRegularFile).toList()) {
                        if (file.toString().contains(".tls/")) {
                            continue;
                        }
                        Path to =
                                into.resolve(source.getFileName().toString())
                                        .resolve(source.relativize(file).toString());
                        Files.createDirectories(to.getParent());
                        Files.copy(file, to, StandardCopyOption.REPLACE_EXISTING);
                    }
                }
            }
            Folders.delete(fleet.folder().store().resolve("sessions"));
        } catch (IOException e) {
            throw new UncheckedIOException("evidence cannot be kept in " + into, e);
        }
    }

    @Override
    public void close() {
        try {
            fleet.close();
        } finally {
            machine.close();
        }
    }
}
