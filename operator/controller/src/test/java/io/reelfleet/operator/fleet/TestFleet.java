package io.reelfleet.operator.fleet;

import com.google.protobuf.util.Timestamps;
import io.grpc.Status;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.AdmitResponse;
import io.reelfleet.api.runtime.v1.CancelMoveRequest;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.CommandResponse;
import io.reelfleet.api.runtime.v1.DrainRequest;
import io.reelfleet.api.runtime.v1.Hello;
import io.reelfleet.api.runtime.v1.KeepRequest;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.Transport;
import io.reelfleet.api.runtime.v1.UnendedLog;
import io.reelfleet.api.runtime.v1.UpdateRequest;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.crds.Documents;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.operator.workers.Leaving;
import io.reelfleet.operator.workers.ProvidedWorker;
import io.reelfleet.operator.workers.WorkerLaunch;
import io.reelfleet.operator.workers.WorkerLink;
import io.reelfleet.operator.workers.WorkerProvider;
import io.reelfleet.operator.workers.WorkerStartException;
import io.reelfleet.scheduler.PoolSettings;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import java.util.function.ToDoubleBiFunction;

/**
 * A whole pool in virtual time: workers that follow the protocol in memory, one thread, no waiting.
 */
final class TestFleet implements WorkerProvider, WorkerLink.Dialer {
    static final long START_UP_MILLIS = 2_000;

    /** The time that everything goes by. */
    static final class VirtualClock extends Clock {
        long millis = 1_700_000_000_000L;

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }

        @Override
        public Instant instant() {
            return Instant.ofEpochMilli(millis);
        }
    }

    /** A session on a worker. */
    static final class Held {
        SessionSpec spec;
        long epoch;
        SessionState state = SessionState.SESSION_STATE_RUNNING;
        long nextChunk;
        boolean active = true;
        boolean rebuildsExactly;

        /** Its next chunk has been due since then; 0: for as long as usual. */
        long wantedSince;
    }

    /** A worker that does what it is told. */
    final class Worker implements WorkerLink {
        final String name;
        final long bornAt = clock.millis;
        final Map<String, Held> sessions = new LinkedHashMap<>();
        final List<String> commands = new ArrayList<>();
        final List<String> requestIds = new ArrayList<>();
        WorkerPhase phase = WorkerPhase.WORKER_PHASE_LOADING;
        String message = "";
        boolean mute;

        /** Its pod has been told to end. */
        boolean terminating;

        /** Somebody means to take it away. */
        Leaving leaving;

        /** It has got SIGTERM. */
        Instant endsBy;

        String image = TestFleet.this.image;
        final String gpu = gpus.apply(workersMade++);
        String node = "";

        /** The provider does not show it yet. */
        boolean unlisted;

        boolean fatal;
        boolean bad = imageIsBad;
        Status refusal;

        /** Old logs without an end, as it reports them. */
        final List<UnendedLog> unended = new ArrayList<>();

        final List<KeepRequest> kept = new ArrayList<>();

        /** Of its moves, all reported each time. */
        final List<MoveReport> moves = new ArrayList<>();

        long highestTerm;
        private Consumer<WorkerReport> reports;
        private long lastReport;

        Worker(String name) {
            this.name = name;
        }

        void live() {
            if (phase == WorkerPhase.WORKER_PHASE_LOADING
                    && message.isEmpty()
                    && !bad
                    && clock.millis - bornAt >= START_UP_MILLIS) {
                phase = WorkerPhase.WORKER_PHASE_READY;
            }
            if (clock.millis - lastReport >= 500) {
                report();
            }
        }

        void report() {
            if (reports == null || mute) {
                return;
            }
            lastReport = clock.millis;
            WorkerReport.Builder r =
                    WorkerReport.newBuilder()
                            .setHello(
                                    Hello.newBuilder()
                                            .setWorker(name)
                                            .setPool(POOL)
                                            .setDevice(gpu)
                                            .addControls("prompt")
                                            .setChunkIntervalS(chunkSeconds))
                            .setPhase(phase)
                            .setMessage(message);
            int serves =
                    (int)
                            sessions.values().stream()
                                    .filter(h -> h.state == SessionState.SESSION_STATE_RUNNING)
                                    .filter(h -> h.active)
                                    .count();
            double usual = latency.applyAsDouble(gpu, serves);
            sessions.forEach(
                    (uid, h) -> {
                        if (h.state == SessionState.SESSION_STATE_RUNNING && h.active) {
                            double waited =
                                    h.wantedSince == 0
                                            ? 0
                                            : (clock.millis - h.wantedSince) / 1000.0;
                            h.wantedSince = 0;
                            r.addChunks(
                                    ChunkStat.newBuilder()
                                            .setSessionUid(uid)
                                            .setChunk(h.nextChunk)
                                            .setLatencyS(waited + usual)
                                            .setLate(waited + usual > chunkSeconds));
                            h.nextChunk++;
                            if (h.spec.getMaxChunks() > 0 && h.nextChunk >= h.spec.getMaxChunks()) {
                                h.state = SessionState.SESSION_STATE_COMPLETED;
                            }
                        }
                        r.addSessions(
                                SessionReport.newBuilder()
                                        .setSpec(h.spec)
                                        .setEpoch(h.epoch)
                                        .setState(h.state)
                                        .setActive(h.active)
                                        .setRebuildsExactly(h.rebuildsExactly)
                                        .setNextChunk(h.nextChunk));
                    });
            if (endsBy != null) {
                r.setEndsBy(Timestamps.fromMillis(endsBy.toEpochMilli()));
            }
            reports.accept(r.addAllMoves(moves).addAllUnended(unended).build());
        }

        private <T> CompletableFuture<T> answer(
                String verb, CommandHeader header, java.util.function.Supplier<T> act) {
            if (mute) {
                return CompletableFuture.failedFuture(Status.UNAVAILABLE.asRuntimeException());
            }
            commands.add(verb + " " + header.getSessionUid() + " " + header.getEpoch());
            requestIds.add(header.getRequestId());
            if (refusal != null) {
                Status status = refusal;
                refusal = null;
                return CompletableFuture.failedFuture(status.asRuntimeException());
            }
            if (header.getTerm() < highestTerm) {
                return CompletableFuture.failedFuture(
                        Status.FAILED_PRECONDITION
                                .withDescription("STALE_TERM " + highestTerm)
                                .asRuntimeException());
            }
            highestTerm = header.getTerm();
            return CompletableFuture.completedFuture(act.get());
        }

        private CommandResponse reply(Held h) {
            return CommandResponse.newBuilder().setState(h.state).setNextChunk(h.nextChunk).build();
        }

        @Override
        public CompletableFuture<AdmitResponse> admit(AdmitRequest request) {
            String uid = request.getSpec().getUid();
            long known = log.getOrDefault(uid, 0L);
            if (!mute && request.getHeader().getEpoch() <= known && refusal == null) {
                return CompletableFuture.failedFuture(
                        Status.FAILED_PRECONDITION
                                .withDescription("STALE_EPOCH the log is at epoch " + known)
                                .asRuntimeException());
            }
            return answer(
                    "admit",
                    request.getHeader(),
                    () -> {
                        Held h = new Held();
                        h.spec = request.getSpec();
                        h.epoch = request.getHeader().getEpoch();
                        if (countsWaits) {
                            h.wantedSince = Timestamps.toMillis(request.getWantedSince());
                        }
                        h.nextChunk = chunks.getOrDefault(uid, 0L);
                        log.put(uid, h.epoch);
                        if (fatal) {
                            kill(name);
                        } else {
                            sessions.put(uid, h);
                        }
                        return AdmitResponse.newBuilder()
                                .setEpoch(h.epoch)
                                .setNextChunk(h.nextChunk)
                                .build();
                    });
        }

        @Override
        public CompletableFuture<CommandResponse> suspend(SessionCommand request) {
            return answer(
                    "suspend",
                    request.getHeader(),
                    () -> {
                        Held h = sessions.get(request.getHeader().getSessionUid());
                        h.state = SessionState.SESSION_STATE_SUSPENDED;
                        return reply(h);
                    });
        }

        @Override
        public CompletableFuture<CommandResponse> resume(SessionCommand request) {
            return answer(
                    "resume",
                    request.getHeader(),
                    () -> {
                        Held h = sessions.get(request.getHeader().getSessionUid());
                        h.state = SessionState.SESSION_STATE_RUNNING;
                        if (countsWaits) {
                            h.wantedSince = Timestamps.toMillis(request.getWantedSince());
                        }
                        return reply(h);
                    });
        }

        @Override
        public CompletableFuture<CommandResponse> update(UpdateRequest request) {
            return answer(
                    "update",
                    request.getHeader(),
                    () -> {
                        Held h = sessions.get(request.getHeader().getSessionUid());
                        h.spec = request.getSpec();
                        return reply(h);
                    });
        }

        @Override
        public CompletableFuture<CommandResponse> release(ReleaseRequest request) {
            return answer(
                    request.getEnd() ? "end" : "release",
                    request.getHeader(),
                    () -> {
                        Held h = sessions.remove(request.getHeader().getSessionUid());
                        if (h == null) {
                            return CommandResponse.getDefaultInstance();
                        }
                        chunks.put(h.spec.getUid(), h.nextChunk);
                        return reply(h);
                    });
        }

        @Override
        public CompletableFuture<MoveResponse> prepareMove(PrepareMoveRequest request) {
            if (moving == Moving.UNKNOWN) {
                return WorkerLink.super.prepareMove(request);
            }
            return answer(
                    "prepare-" + request.getTransport(),
                    request.getHeader(),
                    () -> outcome(MoveOutcome.MOVE_OUTCOME_PREPARED));
        }

        @Override
        public CompletableFuture<MoveResponse> startMove(StartMoveRequest request) {
            return answer(
                    "start",
                    request.getHeader(),
                    () -> {
                        Move move = request.getMove();
                        boolean direct = request.getTransport() == Transport.TRANSPORT_DIRECT;
                        if (moving == Moving.STALLS) {
                            return MoveResponse.getDefaultInstance();
                        }
                        if (moving == Moving.CUT_OFF && direct) {
                            moves.add(report(move, MoveOutcome.MOVE_OUTCOME_KEPT, "no connection"));
                            return MoveResponse.getDefaultInstance();
                        }
                        Held h = sessions.remove(move.getSessionUid());
                        Worker target = workers.get(move.getTarget());
                        h.epoch = move.getEpoch();
                        log.put(move.getSessionUid(), h.epoch);
                        target.sessions.put(move.getSessionUid(), h);
                        target.moves.add(report(move, MoveOutcome.MOVE_OUTCOME_COMMITTED, ""));
                        moves.add(
                                report(move, MoveOutcome.MOVE_OUTCOME_GONE, "").toBuilder()
                                        .setPrecopyBytes(3_000)
                                        .setRestBytes(40)
                                        .setSeconds(0.5)
                                        .setPauseS(0.02)
                                        .build());
                        return MoveResponse.getDefaultInstance();
                    });
        }

        @Override
        public CompletableFuture<MoveResponse> cancelMove(CancelMoveRequest request) {
            if (moving == Moving.UNKNOWN) {
                return WorkerLink.super.cancelMove(request);
            }
            return answer(
                    "cancel",
                    request.getHeader(),
                    () -> {
                        Held h = sessions.get(request.getMove().getSessionUid());
                        return outcome(
                                h == null
                                        ? MoveOutcome.MOVE_OUTCOME_NOT_HERE
                                        : h.epoch == request.getMove().getEpoch()
                                                ? MoveOutcome.MOVE_OUTCOME_COMMITTED
                                                : MoveOutcome.MOVE_OUTCOME_KEPT);
                    });
        }

        private MoveResponse outcome(MoveOutcome outcome) {
            return MoveResponse.newBuilder().setOutcome(outcome).build();
        }

        private MoveReport report(Move move, MoveOutcome outcome, String sentence) {
            return MoveReport.newBuilder()
                    .setMove(move)
                    .setOutcome(outcome)
                    .setSentence(sentence)
                    .build();
        }

        @Override
        public CompletableFuture<CommandResponse> drain(DrainRequest request) {
            commands.add(request.getStop() ? "stop drain" : "drain");
            phase =
                    request.getStop()
                            ? WorkerPhase.WORKER_PHASE_READY
                            : WorkerPhase.WORKER_PHASE_DRAINING;
            return CompletableFuture.completedFuture(CommandResponse.getDefaultInstance());
        }

        @Override
        public CompletableFuture<CommandResponse> keep(KeepRequest request) {
            kept.add(request);
            unended.removeAll(request.getAbandonedList());
            return CompletableFuture.completedFuture(CommandResponse.getDefaultInstance());
        }

        @Override
        public void close() {
            reports = null;
        }
    }

    static final String POOL = "default/demo";

    /** What workers make of live moves. */
    enum Moving {
        /** They are of a build that has none. */
        UNKNOWN,
        WORKS,
        /** Started, and never heard of again. */
        STALLS,
        /** Workers cannot reach each other but through the store. */
        CUT_OFF
    }

    Moving moving = Moving.UNKNOWN;

    final VirtualClock clock = new VirtualClock();
    final Map<String, Worker> workers = new LinkedHashMap<>();

    /** Highest epoch in each session's log. */
    final Map<String, Long> log = new LinkedHashMap<>();

    /** Chunks in each session's log, as of its last release. */
    final Map<String, Long> chunks = new LinkedHashMap<>();

    final List<FleetListener.Occurrence> occurrences = new ArrayList<>();
    final List<String> stopped = new ArrayList<>();

    /** What workers were labelled with, and when they were stopped. */
    List<String> labels = new ArrayList<>();

    boolean deposed;

    /** The type of the GPU of each worker, by the order in which they are made. */
    IntFunction<String> gpus = made -> "";

    /** Seconds that a chunk takes on a type of GPU where so many sessions are served. */
    ToDoubleBiFunction<String, Integer> latency = (gpu, sessions) -> 0.5;

    /** Of video in a chunk; a later one is late. A worker makes two chunks a second. */
    double chunkSeconds = 0.75;

    private int workersMade;

    /** The cluster's, by name. */
    final Map<String, Integer> priorityClasses = new LinkedHashMap<>();

    /** A first chunk's latency has the time that its session waited before. */
    boolean countsWaits;

    String startProblem;
    boolean nextIsFatal;

    /** Of workers that start from now on; empty: workers have none. */
    String image = "";

    /** Workers that start from now on do not come up. */
    boolean imageIsBad;

    private int names;
    private final Deciding deciding;
    private final SharedBudgets budgets;
    FleetLoop loop;
    PoolDefinition pool;

    TestFleet(int capacity, int min, int max) {
        this(PoolSettings.Mode.REACTIVE, capacity, min, max);
    }

    TestFleet(PoolSettings.Mode mode, int capacity, int min, int max) {
        this(pool(mode, capacity, min, max), new Deciding(DecisionRecorder.NONE));
    }

    TestFleet(PoolDefinition pool, Deciding deciding) {
        this(pool, deciding, new SharedBudgets());
    }

    TestFleet(PoolDefinition pool, Deciding deciding, SharedBudgets budgets) {
        this.pool = pool;
        this.deciding = deciding;
        this.budgets = budgets;
        loop = newLoop(1);
    }

    static PoolDefinition pool(PoolSettings.Mode mode, int capacity, int min, int max) {
        return new PoolDefinition(
                POOL,
                null,
                1,
                "shapes",
                PoolSettings.of(mode, capacity, min, max)
                        .downDelayMillis(10_000)
                        .startUpMillis(2_000)
                        .idleTimeoutMillis(30_000)
                        .build(),
                Map.of("reelfleet.model.uri", "builtin:shapes"),
                Set.of(),
                null);
    }

    /** All workers of a node are paid for together. */
    void payByNode() {
        spec("scaling: {maxGpus: 4, billingUnit: Node}");
    }

    /** What the pool's resource says besides its model. */
    void spec(String lines) {
        pool = withSpec(pool, lines);
        loop.changed(pool);
    }

    static PoolDefinition withSpec(PoolDefinition pool, String lines) {
        GPUPool object =
                (GPUPool)
                        Documents.read(
                                        """
                                        apiVersion: reelfleet.io/v1alpha1
                                        kind: GPUPool
                                        metadata: {name: demo, namespace: default}
                                        spec:
                                          model: {name: shapes, uri: "builtin:shapes"}
                                        """
                                                + lines.indent(2))
                                .getFirst();
        return new PoolDefinition(
                pool.name(),
                pool.uid(),
                pool.generation(),
                pool.model(),
                pool.settings(),
                pool.workerSettings(),
                pool.allowedNamespaces(),
                object.getSpec());
    }

    FleetLoop newLoop(long term) {
        return new FleetLoop(
                pool,
                new FleetSettings(100, 5_000, 3_000, 15_000, 60_000, 0),
                deciding,
                this,
                this,
                Runnable::run,
                clock,
                () -> "w" + (++names),
                new FleetListener() {
                    @Override
                    public void changed(String changedPool, Set<String> sessions) {}

                    @Override
                    public void happened(Occurrence occurrence) {
                        occurrences.add(occurrence);
                    }
                },
                term,
                () -> deposed = true,
                new Shared(name -> priorityClasses.getOrDefault(name, 0), budgets));
    }

    /** Another operator takes over: a new loop with the next term that knows these sessions. */
    void restart(long term, SessionWish... known) {
        loop = newLoop(term);
        for (SessionWish w : known) {
            loop.want(w);
        }
    }

    /** Lets time pass. */
    void run(double seconds) {
        long until = clock.millis + Math.round(seconds * 1000);
        while (clock.millis < until) {
            clock.millis += 100;
            List.copyOf(workers.values()).forEach(Worker::live);
            step();
        }
    }

    void step() {
        try {
            loop.step(0);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    void kill(String name) {
        Worker w = workers.remove(name);
        w.mute = true;
    }

    static SessionWish wish(String uid) {
        return wish(uid, true);
    }

    static SessionWish wish(String uid, boolean active) {
        return new SessionWish(
                SessionSpec.newBuilder()
                        .setUid(uid)
                        .setName(uid)
                        .setNamespace("default")
                        .setPool(POOL)
                        .addControls(Control.newBuilder().setKind("prompt").setText("a red circle"))
                        .build(),
                active,
                SessionWish.Source.ALLOCATOR,
                "",
                Instant.EPOCH,
                0);
    }

    /** Of these classes; empty for none. */
    static SessionWish wish(String uid, String priorityClass, String latencyClass) {
        SessionWish plain = wish(uid);
        return plain.with(
                plain.spec().toBuilder()
                        .setPriorityClass(priorityClass)
                        .setLatencyClass(latencyClass)
                        .build(),
                true);
    }

    SessionView session(String uid) {
        return loop.view().sessions().get(uid);
    }

    Worker workerOf(String uid) {
        return workers.get(session(uid).worker());
    }

    @Override
    public void start(WorkerLaunch launch) throws WorkerStartException {
        if (startProblem != null) {
            throw new WorkerStartException(startProblem);
        }
        Worker w = new Worker(launch.name());
        w.fatal = nextIsFatal;
        workers.put(launch.name(), w);
    }

    @Override
    public void occupied(String labelledPool, String worker, boolean occupied) {
        labels.add(worker + (occupied ? " occupied" : " free"));
    }

    @Override
    public String image(GPUPoolSpec spec) {
        return image;
    }

    @Override
    public void stop(String stoppedPool, String worker) {
        stopped.add(worker);
        labels.add(worker + " stopped");
        Worker w = workers.remove(worker);
        if (w != null) {
            w.mute = true;
        }
    }

    @Override
    public List<ProvidedWorker> list(String listedPool) {
        return workers.values().stream()
                .filter(w -> !w.unlisted)
                .map(
                        w ->
                                new ProvidedWorker(
                                        w.name,
                                        w.name,
                                        Instant.ofEpochMilli(w.bornAt),
                                        w.terminating
                                                ? new Leaving(
                                                        Leaving.Reason.TOLD_TO_END,
                                                        "its pod is being deleted",
                                                        null)
                                                : w.leaving,
                                        null,
                                        w.node,
                                        w.image))
                .toList();
    }

    @Override
    public WorkerLink dial(
            String endpoint, long term, Consumer<WorkerReport> reports, Runnable staleTerm) {
        Worker w = workers.get(endpoint);
        if (term < w.highestTerm) {
            staleTerm.run();
        } else {
            w.highestTerm = term;
            w.reports = reports;
            w.report();
        }
        return w;
    }
}
