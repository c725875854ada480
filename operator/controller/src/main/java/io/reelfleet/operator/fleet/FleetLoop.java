package io.reelfleet.operator.fleet;

import com.google.protobuf.Timestamp;
import com.google.protobuf.util.Timestamps;
import io.grpc.Status;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.CommandResponse;
import io.reelfleet.api.runtime.v1.DrainRequest;
import io.reelfleet.api.runtime.v1.FindForkRequest;
import io.reelfleet.api.runtime.v1.KeepRequest;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.SessionCommand;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.Transport;
import io.reelfleet.api.runtime.v1.UnendedLog;
import io.reelfleet.api.runtime.v1.UpdateRequest;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.crds.Durations;
import io.reelfleet.crds.GPUPoolSpec;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.Outcome;
import io.reelfleet.operator.fleet.SessionEntry.Verb;
import io.reelfleet.operator.workers.Leaving;
import io.reelfleet.operator.workers.ProvidedWorker;
import io.reelfleet.operator.workers.WorkerLaunch;
import io.reelfleet.operator.workers.WorkerLink;
import io.reelfleet.operator.workers.WorkerProvider;
import io.reelfleet.operator.workers.WorkerStartException;
import io.reelfleet.scheduler.Action;
import io.reelfleet.scheduler.DemandHistory;
import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.MoveCostLearner;
import io.reelfleet.scheduler.Plan;
import io.reelfleet.scheduler.PoolSettings;
import io.reelfleet.scheduler.SessionSnapshot;
import io.reelfleet.scheduler.WorkerSnapshot;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * One pool's fleet loop. {@link #step} takes what is in the mailbox, brings the book-keeping up to
 * date, asks the policy and starts commands off the loop, whose answers come back through the
 * mailbox. It never blocks on anything but the mailbox, and everything it knows is touched by the
 * thread that calls {@code step} only. Others read {@link #view}.
 */
public final class FleetLoop {
    private static final Logger LOG = Logger.getLogger(FleetLoop.class);

    /** After so many deaths in a row a session must not share a worker; after one more it fails. */
    static final int DEATHS_UNTIL_ALONE = 2;

    /** Chunks a session must write on a worker before earlier deaths are forgotten. */
    private static final int CHUNKS_OF_TRUST = 5;

    private static final int NAME_CHARACTERS = 5;
    private static final String NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

    /** How often the provider is asked for its workers when nothing calls for it. */
    private static final long LISTING_MILLIS = 500;

    /** A worker that was told to stop and still runs is told again. */
    private static final long STOP_AGAIN_MILLIS = 15_000;

    /** A worker that listens and says nothing for so long after its start will not come up. */
    private static final long FIRST_REPORT_MILLIS = 120_000;

    /** A report without a session that should be there may have crossed its admission. */
    private static final long MISSING_MILLIS = 2_000;

    /** A worker that empties ends when it is given back. */
    private static final long NO_DEADLINE = -1;

    /** Finished sessions of the allocator stay readable for so long. */
    private static final long FINISHED_MILLIS = 600_000;

    /** A leader that has led for so long knows of everybody who is wanted. */
    private static final long SETTLED_MILLIS = 120_000;

    /** Why a session moves that somebody moves by hand. */
    private static final String ASKED = "Asked";

    /** A loop that wakes so late has been kept from running. */
    private static final long STALLED_MILLIS = 1_000;

    /** A command's answer may overtake a report that was made before it. */
    private static final long OVERTAKEN_MILLIS = 500;

    private final FleetSettings settings;
    private final Deciding deciding;
    private final WorkerProvider provider;
    private final WorkerLink.Dialer dialer;
    private final Executor commands;
    private final Clock clock;
    private final Supplier<String> randomName;
    private final FleetListener listener;
    private final long term;
    private final Runnable deposed;
    private final Shared shared;
    private final LinkedBlockingQueue<FleetEvent> mailbox = new LinkedBlockingQueue<>();

    private PoolDefinition pool;
    private final Map<String, WorkerEntry> workers = new LinkedHashMap<>();
    private final Map<String, SessionEntry> sessions = new LinkedHashMap<>();
    private final Map<String, Set<String>> unclaimed = new HashMap<>();
    private final List<Runnable> replies = new ArrayList<>();
    private final Set<String> touched = new HashSet<>();
    private final LatencyWindow latency = new LatencyWindow();
    private final Lateness lateness = new Lateness();
    private final Capacities capacities = new Capacities();
    private final Backoff starts = new Backoff(1_000, 60_000);
    private final RollingUpgrade upgrade = new RollingUpgrade();
    private final Set<String> everSeen = new HashSet<>();
    private final Map<String, Long> stopped = new HashMap<>();
    private long startedAt;
    private long steppedAt;
    private boolean rebuilding = true;
    private boolean listed;
    private boolean listing;
    private long listedAt;
    private boolean removed;
    private CompletableFuture<Void> removal;
    private long commandNumber;
    private long linkNumber;
    private String startProblem;
    private PoolView.Problem problem;
    private int budgetWorkers = SharedBudgets.UNLIMITED;
    private double demand;
    private Plan plan = new Plan(0, false, List.of(), "");
    private long chunks;
    private long late;
    private double finishedWorkerSeconds;
    private long suspends;
    private long resumes;
    private long migrations;
    private long recoveries;
    private final MoveJournal moves;
    private final MoveCostLearner moveCosts = new MoveCostLearner();
    private PoolView.Latency publishedLatency = PoolView.Latency.NONE;
    private long latencyAt;
    private volatile PoolView view;

    /**
     * A loop that has not run yet.
     *
     * @param term of the leader; a loop does not outlive it
     * @param commands runs what may block
     * @param randomName gives five characters
     * @param deposed is called when a worker follows a leader of a higher term
     * @param shared with the loops of other pools
     */
    public FleetLoop(
            PoolDefinition pool,
            FleetSettings settings,
            Deciding deciding,
            WorkerProvider provider,
            WorkerLink.Dialer dialer,
            Executor commands,
            Clock clock,
            Supplier<String> randomName,
            FleetListener listener,
            long term,
            Runnable deposed,
            Shared shared) {
        this.pool = pool;
        this.settings = settings;
        this.deciding = deciding;
        this.provider = provider;
        this.dialer = dialer;
        this.commands = commands;
        this.clock = clock;
        this.randomName = randomName;
        this.listener = listener;
        this.term = term;
        this.deposed = deposed;
        this.shared = shared;
        this.moves = new MoveJournal(this::moved);
        this.startedAt = clock.millis();
        assumeCapacity();
        shared.budgets().join(pool.name(), budgetGroup(), term);
        publish(startedAt);
    }

    /** Five characters that a worker's name may end in. */
    public static String randomName(java.util.random.RandomGenerator random) {
        StringBuilder name = new StringBuilder();
        for (int i = 0; i < NAME_CHARACTERS; i++) {
            name.append(NAME_ALPHABET.charAt(random.nextInt(NAME_ALPHABET.length())));
        }
        return name.toString();
    }

    /** The newest view. */
    public PoolView view() {
        return view;
    }

    /** Posts a new spec of the pool. */
    public void changed(PoolDefinition definition) {
        mailbox.add(new FleetEvent.PoolChanged(definition));
    }

    /** Posts that the pool is gone; the future ends when its workers have been given back. */
    public CompletableFuture<Void> remove() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        mailbox.add(new FleetEvent.PoolRemoved(done));
        return done;
    }

    /** Posts what is wanted of a session; the future has it as the loop has taken it up. */
    public CompletableFuture<SessionView> want(SessionWish wish) {
        CompletableFuture<SessionView> reply = new CompletableFuture<>();
        mailbox.add(new FleetEvent.SessionWanted(wish, reply));
        return reply;
    }

    /** Posts that nobody wants a session any longer; the future ends when the loop knows. */
    public CompletableFuture<Void> unwant(String uid, String reason) {
        CompletableFuture<Void> reply = new CompletableFuture<>();
        mailbox.add(new FleetEvent.SessionUnwanted(uid, reason, reply));
        return reply;
    }

    /**
     * Posts that somebody wants a session moved while it streams. The future has it as it stands
     * once the move is under way, or a {@link io.grpc.StatusRuntimeException} that says why not.
     *
     * @param worker where to; empty for the ready worker with the fewest sessions
     */
    public CompletableFuture<SessionView> move(String uid, String worker) {
        CompletableFuture<SessionView> reply = new CompletableFuture<>();
        mailbox.add(new FleetEvent.MoveWanted(uid, worker, reply));
        return reply;
    }

    /**
     * Asks a worker whether a session may go on from a chunk of another one. The future has the
     * sentence that says why not, empty when it may; it fails when no worker can say.
     *
     * @param namespace of the session that is to be
     */
    public CompletableFuture<String> findFork(String source, long chunk, String namespace) {
        CompletableFuture<String> reply = new CompletableFuture<>();
        mailbox.add(new FleetEvent.ForkWanted(source, chunk, namespace, reply));
        return reply;
    }

    /** Asks the provider for its workers soon: something about them has changed. */
    public void workersChanged() {
        mailbox.add(new FleetEvent.ListingFailed(null));
    }

    /** Runs until the thread is interrupted. */
    public void run() {
        while (!Thread.currentThread().isInterrupted() && !finished()) {
            try {
                step(settings.tickMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (RuntimeException e) {
                // A fault of ours must not end the loop: the next step starts from the same
                // book-keeping.
                LOG.errorf(e, "pool %s: a step of the fleet loop failed", pool.name());
            }
        }
        closeLinks();
    }

    /** Whether the pool is gone and so are its workers. */
    public boolean finished() {
        return removed && workers.isEmpty();
    }

    private void closeLinks() {
        for (WorkerEntry w : workers.values()) {
            if (w.link != null) {
                w.link.close();
            }
        }
    }

    /**
     * Waits for an event, at most {@code waitMillis}, handles all that are there, then decides and
     * starts what follows.
     *
     * @return whether there was an event
     */
    public boolean step(long waitMillis) throws InterruptedException {
        FleetEvent event = mailbox.poll(waitMillis, TimeUnit.MILLISECONDS);
        long now = clock.millis();
        boolean any = event != null;
        if (steppedAt != 0 && now - steppedAt > STALLED_MILLIS) {
            excuse(now - steppedAt, now);
        }
        steppedAt = now;
        while (event != null) {
            handle(event, now);
            event = mailbox.poll();
        }
        tick(now);
        if (!rebuilding && !removed) {
            decide(now);
        }
        advance(now);
        publish(now);
        if (finished() && removal != null) {
            shared.budgets().leave(pool.name(), term);
            removal.complete(null);
        }
        return any;
    }

    /**
     * This loop itself did not run for a while: the machine slept or swapped, or the process was
     * stopped. What workers sent meanwhile may not have been read yet, so that time is nobody's
     * silence.
     */
    private void excuse(long millis, long now) {
        LOG.warnf(
                "pool %s: this operator did not run for %.1f s; its workers' silence counts from now",
                pool.name(), millis / 1000.0);
        for (WorkerEntry w : workers.values()) {
            w.heardAt = w.heardAt == 0 ? 0 : Math.min(now, w.heardAt + millis);
            w.dialedAt = w.dialedAt == 0 ? 0 : Math.min(now, w.dialedAt + millis);
        }
    }

    // ---- events

    private void handle(FleetEvent event, long now) {
        switch (event) {
            case FleetEvent.PoolChanged(PoolDefinition definition) -> {
                if (!definition.equals(pool)) {
                    LOG.infof(
                            "pool %s: spec of generation %d", pool.name(), definition.generation());
                    starts.succeeded();
                }
                pool = definition;
                assumeCapacity();
            }
            case FleetEvent.PoolRemoved(CompletableFuture<Void> done) -> remove(done, now);
            case FleetEvent.SessionWanted e -> want(e, now);
            case FleetEvent.SessionUnwanted e -> unwant(e);
            case FleetEvent.MoveWanted e -> moveWanted(e, now);
            case FleetEvent.ForkWanted e -> forkWanted(e);
            case FleetEvent.Reported e -> reported(e, now);
            case FleetEvent.Listed e -> listed(e, now);
            case FleetEvent.ListingFailed(String why) -> {
                if (why == null) {
                    listedAt = 0;
                } else {
                    listing = false;
                    LOG.warnf("pool %s: its workers cannot be listed: %s", pool.name(), why);
                }
            }
            case FleetEvent.StartAnswered e -> startAnswered(e, now);
            case FleetEvent.StopAnswered e -> stopAnswered(e, now);
            case FleetEvent.LastWords(String worker, String words) -> lastWords(worker, words);
            case FleetEvent.Answered e -> answered(e, now);
            case FleetEvent.MoveAnswered e -> {
                SessionEntry s = sessions.get(e.session());
                if (s != null && s.live != null && s.live.move.id().equals(e.move())) {
                    s.live.answered(e, calls, now);
                    concludeMove(s, now);
                }
            }
            case FleetEvent.DrainAnswered(String worker, Throwable failure) -> {
                WorkerEntry w = workers.get(worker);
                if (w != null && failure != null) {
                    w.drainSent = false;
                    w.drain.failed(now);
                } else if (w != null && w.undraining) {
                    w.undraining = false;
                    w.drainSent = false;
                }
            }
            case FleetEvent.KeepFailed(String worker) -> {
                // The next report brings it up again.
                WorkerEntry w = workers.get(worker);
                if (w != null) {
                    w.keeps = null;
                    w.abandoned.clear();
                }
            }
            case FleetEvent.Deposed d -> deposed.run();
        }
    }

    private void remove(CompletableFuture<Void> done, long now) {
        LOG.infof("pool %s: gone; workers to give back: %d", pool.name(), workers.size());
        removed = true;
        removal = done;
        for (WorkerEntry w : workers.values()) {
            giveBack(w, now);
        }
        for (SessionEntry s : sessions.values()) {
            s.clearCommand();
            s.leave(now);
            s.message = "the GPUPool " + pool.name() + " was deleted";
            touched.add(s.uid);
        }
    }

    private void want(FleetEvent.SessionWanted e, long now) {
        SessionEntry s = sessions.get(e.wish().spec().getUid());
        SessionWish wish = withOrigin(e.wish(), s);
        if (s == null) {
            s = new SessionEntry(wish, now);
            sessions.put(s.uid, s);
            // Who came after this loop had begun is on no worker that has not reported yet.
            boolean isNew =
                    wish.knownEpoch() == 0
                            && wish.openedAt().isAfter(Instant.ofEpochMilli(startedAt));
            s.frozen = rebuilding && !isNew;
            touched.add(s.uid);
            LOG.infof(
                    "pool %s: session %s (%s) is wanted by %s",
                    pool.name(), s.uid, wish.spec().getName(), wish.source().title());
        } else if (s.closing == null && !s.wish.sameAs(wish)) {
            if (!s.wish.spec().equals(wish.spec())) {
                s.version++;
                s.message = "";
            }
            if (s.wish.active() != wish.active()) {
                LOG.infof(
                        "pool %s: session %s is wanted %s",
                        pool.name(), s.uid, wish.active() ? "Active" : "Suspended");
                s.waitingSince = now;
                s.idleSince = 0;
            }
            s.wish = wish;
            touched.add(s.uid);
        }
        SessionEntry entry = s;
        if (e.reply() != null) {
            replies.add(
                    () -> e.reply().complete(view.sessions().getOrDefault(entry.uid, entry.view)));
        }
    }

    /**
     * The origin of a fork is fixed, and known by its uid: the object that had the name may be gone
     * by now.
     */
    private static SessionWish withOrigin(SessionWish wish, SessionEntry known) {
        return known == null || !known.spec().hasFrom()
                ? wish
                : wish.with(
                        wish.spec().toBuilder().setFrom(known.spec().getFrom()).build(),
                        wish.active());
    }

    private void unwant(FleetEvent.SessionUnwanted e) {
        SessionEntry s = sessions.get(e.uid());
        if (s != null && s.closing == null) {
            LOG.infof(
                    "pool %s: session %s is wanted no longer (%s)", pool.name(), s.uid, e.reason());
            s.closing = e.reason();
            if (s.live != null) {
                s.live.giveUp(calls, clock.millis());
            }
            s.moveTo = null;
            // Only what waits for its turn is dropped; what has been sent must be answered first.
            if (s.busy() && !s.sent) {
                s.clearCommand();
            }
        }
        if (e.reply() != null) {
            replies.add(() -> e.reply().complete(null));
        }
    }

    private void moveWanted(FleetEvent.MoveWanted e, long now) {
        SessionEntry s = sessions.get(e.uid());
        String problem = s == null ? "there is no session " + e.uid() : cannotMove(s);
        WorkerEntry to = null;
        if (problem == null) {
            to = e.worker().isEmpty() ? emptiestBut(s.worker) : workers.get(e.worker());
            if (to == null || to.phase() != WorkerSnapshot.Phase.READY) {
                problem =
                        e.worker().isEmpty()
                                ? "no other worker of pool " + pool.name() + " is ready"
                                : "worker " + e.worker() + " is not ready";
            } else if (to.name.equals(s.worker)) {
                problem = "it is on worker " + to.name + " already";
            }
        }
        if (problem != null) {
            e.reply()
                    .completeExceptionally(
                            Status.FAILED_PRECONDITION
                                    .withDescription(
                                            "session %s cannot be moved now: %s"
                                                    .formatted(e.uid(), problem))
                                    .asRuntimeException());
            return;
        }
        LOG.infof(
                "pool %s: session %s moves from worker %s to %s: somebody wants it",
                pool.name(), s.uid, s.worker, to.name);
        s.moveTo = to.name;
        s.moveReason = ASKED;
        s.heldUntil = now + settings.holdMillis();
        moveLive(s, Transport.TRANSPORT_DIRECT);
        replies.add(() -> e.reply().complete(view.sessions().getOrDefault(s.uid, s.view)));
    }

    /** Why a session cannot be moved now; null when it can. */
    private static String cannotMove(SessionEntry s) {
        if (s.finished != null || s.closing != null) {
            return "it has ended";
        }
        if (s.worker == null) {
            return "no worker has it";
        }
        if (s.frozen) {
            return "its worker is silent";
        }
        return s.busy() ? "another command is under way for it" : null;
    }

    private WorkerEntry emptiestBut(String worker) {
        Map<String, Integer> held = new HashMap<>();
        for (SessionEntry s : sessions.values()) {
            held.merge(String.valueOf(s.moveTo == null ? s.worker : s.moveTo), 1, Integer::sum);
        }
        return workers.values().stream()
                .filter(w -> w.phase() == WorkerSnapshot.Phase.READY && !w.name.equals(worker))
                .min(java.util.Comparator.comparingInt(w -> held.getOrDefault(w.name, 0)))
                .orElse(null);
    }

    private void forkWanted(FleetEvent.ForkWanted e) {
        Optional<WorkerEntry> any =
                workers.values().stream()
                        .filter(w -> w.phase() == WorkerSnapshot.Phase.READY && w.link != null)
                        .findFirst();
        if (any.isEmpty()) {
            e.reply().completeExceptionally(Status.UNAVAILABLE.asRuntimeException());
            return;
        }
        WorkerLink link = any.get().link;
        FindForkRequest request =
                FindForkRequest.newBuilder()
                        .setTerm(term)
                        .setSourceUid(e.source())
                        .setChunk(e.chunk())
                        .setNamespace(e.namespace())
                        .build();
        call(() -> link.findFork(request))
                .whenComplete(
                        (r, failure) -> {
                            if (failure == null) {
                                e.reply().complete(r.getSentence());
                            } else {
                                e.reply().completeExceptionally(failure);
                            }
                        });
    }

    // ---- what is kept

    /** A worker starts with what its pool said then; from there on it is told. */
    private void keep(WorkerEntry w, List<UnendedLog> unended, long now) {
        GPUPoolSpec.Retention retention = pool.spec() == null ? null : pool.spec().retention();
        Set<String> named = new HashSet<>();
        unended.forEach(log -> named.add(log.getSessionUid()));
        w.abandoned.retainAll(named);
        // Owners may come late to a new leader; nobody is in a hurry here.
        boolean knowsAll = !rebuilding && now - startedAt >= SETTLED_MILLIS;
        List<UnendedLog> abandoned =
                unended.stream()
                        .filter(log -> knowsAll && !sessions.containsKey(log.getSessionUid()))
                        .filter(log -> w.abandoned.add(log.getSessionUid()))
                        .toList();
        boolean told = retention == null || retention.equals(w.keeps);
        if (w.link == null || told && abandoned.isEmpty()) {
            return;
        }
        KeepRequest.Builder request =
                KeepRequest.newBuilder()
                        .setTerm(term)
                        .setRequestId("t" + term + "-keep-" + (++commandNumber))
                        .addAllAbandoned(abandoned);
        if (retention != null) {
            request.setAfterFinished(
                    com.google.protobuf.Duration.newBuilder()
                            .setSeconds(Durations.parse(retention.afterFinished()).toSeconds()));
            request.setLiveChunks(retention.liveChunks() == null ? 0 : retention.liveChunks());
        }
        w.keeps = retention;
        for (UnendedLog log : abandoned) {
            LOG.infof(
                    "pool %s: session %s is wanted by nobody; worker %s ends its log",
                    pool.name(), log.getSessionUid(), w.name);
        }
        call(() -> w.link.keep(request.build()))
                .whenComplete(
                        (ok, failure) -> {
                            // A worker of a build that does not know this keeps what it was
                            // started with.
                            if (failure != null
                                    && Status.fromThrowable(failure).getCode()
                                            != Status.Code.UNIMPLEMENTED) {
                                mailbox.add(new FleetEvent.KeepFailed(w.name));
                            }
                        });
    }

    // ---- reports

    private void reported(FleetEvent.Reported e, long now) {
        WorkerEntry w = workers.get(e.worker());
        if (w == null || w.stopping || e.link() != w.linkNumber) {
            return;
        }
        WorkerReport r = e.report();
        if (r.hasHello()) {
            if (!r.getHello().getWorker().isEmpty() && !r.getHello().getWorker().equals(w.name)) {
                LOG.warnf(
                        "pool %s: %s answers at %s where worker %s should be; waiting for that one",
                        pool.name(), r.getHello().getWorker(), w.endpoint, w.name);
                return;
            }
            w.hello = r.getHello();
        }
        if (w.unknown) {
            LOG.infof("pool %s: worker %s speaks again", pool.name(), w.name);
        }
        w.heardAt = now;
        w.unknown = false;
        if (w.reported != r.getPhase()) {
            phaseChanged(w, r, now);
        }
        w.reported = r.getPhase();
        w.endsBy = r.hasEndsBy() ? instant(r.getEndsBy()) : null;
        Leaving leaving = w.leaving();
        w.message = leaving == null || w.failed() ? r.getMessage() : leaving.sentence();
        w.deviceBytesUsed = r.getDeviceBytesUsed();
        Set<String> here = new HashSet<>();
        for (MoveReport move : r.getMovesList()) {
            moves.reported(w.name, move, now);
            moveReported(w, move, now);
        }
        for (SessionReport report : r.getSessionsList()) {
            here.add(report.getSpec().getUid());
            sessionReported(w, report, now);
        }
        for (SessionEntry s : sessions.values()) {
            if (w.name.equals(s.worker) && !here.contains(s.uid)) {
                missing(w, s, now);
            }
        }
        w.strays.retainAll(here);
        if (w.reported == WorkerPhase.WORKER_PHASE_READY) {
            keep(w, r.getUnendedList(), now);
        }
        for (ChunkStat c : r.getChunksList()) {
            chunk(w, c, now);
        }
    }

    private static Instant instant(Timestamp at) {
        return Instant.ofEpochSecond(at.getSeconds(), at.getNanos());
    }

    private void phaseChanged(WorkerEntry w, WorkerReport r, long now) {
        if (r.getPhase() == WorkerPhase.WORKER_PHASE_READY) {
            if (w.readyAt == 0) {
                w.readyAt = now;
                w.emptySince = now;
            }
            lateness.workerReady(now);
            starts.succeeded();
            startProblem = null;
            LOG.infof(
                    "pool %s: worker %s is ready after %.1f s",
                    pool.name(), w.name, (now - w.requestedAt) / 1000.0);
            problem = null;
        } else if (r.getPhase() == WorkerPhase.WORKER_PHASE_FAILED) {
            String why = r.getMessage().isEmpty() ? "the worker cannot start" : r.getMessage();
            problem = new PoolView.Problem(WorkerProblems.reason(why), why);
            LOG.warnf("pool %s: worker %s failed: %s", pool.name(), w.name, why);
            happened(null, true, problem.reason(), "worker " + w.name + ": " + why);
            starts.failed(now);
        }
    }

    private void sessionReported(WorkerEntry w, SessionReport r, long now) {
        String uid = r.getSpec().getUid();
        SessionEntry s = sessions.get(uid);
        if (s == null) {
            if (rebuilding) {
                // Its owner may still be on the way to us.
                unclaimed.computeIfAbsent(w.name, k -> new HashSet<>()).add(uid);
            } else {
                dismiss(w, uid, r.getEpoch(), true);
            }
            return;
        }
        if (s.live != null
                && w.name.equals(s.live.move.target())
                && r.getEpoch() >= s.live.move.epoch()) {
            s.live.reported(w.name, Outcome.COMMITTED, "", calls, now);
            concludeMove(s, now);
        }
        boolean mine = w.name.equals(s.worker);
        if (!mine && r.getState() == SessionState.SESSION_STATE_FAILED) {
            return;
        }
        if (!mine) {
            boolean admitting = s.busy() && s.verb == Verb.ADMIT;
            boolean newer = r.getEpoch() > s.epoch;
            boolean same = r.getEpoch() == s.epoch && s.worker == null && !s.busy();
            boolean leaving = s.busy() && s.verb == Verb.RELEASE;
            if ((newer && !admitting) || (same && !leaving)) {
                LOG.infof(
                        "pool %s: session %s is at worker %s with epoch %d",
                        pool.name(), uid, w.name, r.getEpoch());
                s.clearCommand();
                s.worker = w.name;
                s.epoch = r.getEpoch();
                s.admittedAtChunk = r.getNextChunk();
                s.toldVersion = s.version;
                if (!r.getSpec().equals(s.spec())) {
                    s.toldVersion = 0;
                }
                touched.add(uid);
            } else {
                dismiss(w, uid, r.getEpoch(), false);
                return;
            }
        } else if (r.getEpoch() < s.epoch) {
            // An admission with a higher epoch is under way here.
            return;
        }
        if (r.getState() == SessionState.SESSION_STATE_FAILED
                && r.getLastError().startsWith("FENCED")) {
            // Another worker's ownership is in its log: this one has stopped and only says so.
            if (!s.busy() && s.finished == null) {
                LOG.warnf(
                        "pool %s: session %s: worker %s: %s",
                        pool.name(), uid, w.name, r.getLastError());
                s.leave(now);
                touched.add(uid);
            }
            return;
        }
        s.frozen = false;
        s.missingSince = 0;
        s.epoch = Math.max(s.epoch, r.getEpoch());
        if (now >= s.reportsCountFrom
                || r.getState() == SessionState.SESSION_STATE_COMPLETED
                || r.getState() == SessionState.SESSION_STATE_FAILED) {
            transition(s, r.getState());
        }
        s.nextChunk = Math.max(s.nextChunk, r.getNextChunk());
        s.stateBytes = r.getStateBytes();
        s.rebuildsExactly = r.getRebuildsExactly();
        if (s.deaths > 0 && s.nextChunk >= s.admittedAtChunk + CHUNKS_OF_TRUST) {
            s.deaths = 0;
        }
        if (s.wantsChunks != r.getActive()) {
            s.wantsChunks = r.getActive();
            s.idleSince = r.getActive() ? 0 : now;
            s.waitingSince = r.getActive() ? now : s.waitingSince;
        }
        if (!r.getLastError().isEmpty() && !r.getLastError().equals(s.message)) {
            s.message = r.getLastError();
            touched.add(uid);
        }
        if (s.finished == null && r.getState() == SessionState.SESSION_STATE_COMPLETED) {
            finish(s, SessionView.Phase.COMPLETED, s.message, now);
        } else if (s.finished == null && r.getState() == SessionState.SESSION_STATE_FAILED) {
            finish(s, SessionView.Phase.FAILED, r.getLastError(), now);
        }
    }

    private void transition(SessionEntry s, SessionState state) {
        if (s.state == state) {
            return;
        }
        if (state == SessionState.SESSION_STATE_SUSPENDED
                && s.state == SessionState.SESSION_STATE_RUNNING) {
            suspends++;
        } else if (s.state == SessionState.SESSION_STATE_SUSPENDED
                && (state == SessionState.SESSION_STATE_RUNNING
                        || state == SessionState.SESSION_STATE_LOADING)) {
            resumes++;
        }
        s.state = state;
        touched.add(s.uid);
    }

    private void missing(WorkerEntry w, SessionEntry s, long now) {
        if (s.busy()) {
            s.missingSince = 0;
            return;
        }
        if (s.missingSince == 0) {
            s.missingSince = now;
        } else if (now - s.missingSince >= MISSING_MILLIS && s.finished == null) {
            LOG.warnf("pool %s: worker %s no longer has session %s", pool.name(), w.name, s.uid);
            s.leave(now);
            s.message = "worker " + w.name + " no longer has it";
            touched.add(s.uid);
        } else if (s.finished != null) {
            s.worker = null;
        }
    }

    /** Tells a worker to forget a session that is not its own. */
    private void dismiss(WorkerEntry w, String uid, long epoch, boolean end) {
        if (w.link == null || !w.strays.add(uid)) {
            return;
        }
        LOG.infof(
                "pool %s: worker %s lets go of session %s, epoch %d (%s)",
                pool.name(), w.name, uid, epoch, end ? "nobody wants it" : "it is elsewhere");
        ReleaseRequest request =
                ReleaseRequest.newBuilder()
                        .setHeader(header(uid, epoch, "t" + term + "-" + (++commandNumber)))
                        .setEnd(end)
                        .setReason(end ? "Deleted" : "")
                        .build();
        String worker = w.name;
        call(() -> w.link.release(request))
                .whenComplete(
                        (ok, failure) -> {
                            if (failure != null) {
                                LOG.debugf(failure, "worker %s did not let go of %s", worker, uid);
                            }
                        });
    }

    private void chunk(WorkerEntry w, ChunkStat c, long now) {
        chunks++;
        late += c.getLate() ? 1 : 0;
        latency.add(now, c.getLatencyS());
        w.latency.add(now, c.getLatencyS());
        SessionEntry s = sessions.get(c.getSessionUid());
        boolean here = s != null && w.name.equals(s.worker);
        boolean waited = lateness.chunk(here ? s : null, c.getLate(), w.hello.getChunkIntervalS());
        // A wait, a command or a move shows in a latency and is not the load's doing.
        if (here && !waited && !s.busy()) {
            capacities.measured(w, w.serves, c.getLatencyS(), carriedMillis());
        }
    }

    /** The latency that a worker must keep to carry its sessions for good. */
    private double carriedMillis() {
        double interval = pool.settings().latencyTargetMillis();
        for (WorkerEntry w : workers.values()) {
            if (w.hello.getChunkIntervalS() > 0) {
                return Math.min(interval, w.hello.getChunkIntervalS() * 1000);
            }
        }
        return interval;
    }

    /**
     * A hint is an order; without one what is assumed gives way to what is measured. Not on
     * processors: workers that share one slow each other down, whatever each of them serves.
     */
    private void assumeCapacity() {
        boolean order =
                pool.spec() == null
                        || pool.spec().scaling().capacityHint() != null
                        || pool.spec().runtime().device() == GPUPoolSpec.Device.CPU;
        capacities.assume(pool.settings().capacity(), order);
    }

    private void reviewCapacities(long now) {
        for (Capacities.Change c : capacities.review(workers.values(), now, carriedMillis())) {
            String sentence =
                    "sessions per worker with GPU %s: %d, before: %d, where a chunk took %.2f s"
                            .formatted(c.gpu(), c.now(), c.before(), c.secondsBefore());
            LOG.infof("pool %s: %s", pool.name(), sentence);
            happened(null, false, "CapacityMeasured", sentence);
        }
    }

    private void finish(SessionEntry s, SessionView.Phase phase, String message, long now) {
        s.finished = phase;
        s.finishedAt = now;
        s.message = message == null ? "" : message;
        s.moveTo = null;
        touched.add(s.uid);
        LOG.infof("pool %s: session %s is %s %s", pool.name(), s.uid, phase.title(), s.message);
        happened(
                s.uid,
                phase == SessionView.Phase.FAILED,
                phase.title(),
                s.message.isEmpty() ? "chunks written: " + s.nextChunk : s.message);
    }

    // ---- workers

    private void listed(FleetEvent.Listed e, long now) {
        listing = false;
        listed = true;
        Set<String> there = new HashSet<>();
        for (ProvidedWorker p : e.workers()) {
            there.add(p.name());
            WorkerEntry w = workers.get(p.name());
            if (w == null) {
                if (everSeen.contains(p.name())) {
                    // It was given up or given back and still runs.
                    if (now - stopped.getOrDefault(p.name(), 0L) >= STOP_AGAIN_MILLIS) {
                        stop(p.name(), now);
                    }
                    continue;
                }
                w = new WorkerEntry(p.name(), p.requestedAt().toEpochMilli(), true);
                w.startedAt = now;
                workers.put(w.name, w);
                everSeen.add(w.name);
                LOG.infof("pool %s: found worker %s at %s", pool.name(), w.name, p.endpoint());
                if (removed) {
                    giveBack(w, now);
                }
            }
            w.provided = p.leaving();
            w.node = p.node();
            w.image = p.image();
            if (p.endpoint() != null && w.endpoint == null && !w.stopping) {
                dial(w, p.endpoint(), now);
            }
            if (p.message() != null && w.reported == WorkerPhase.WORKER_PHASE_UNSPECIFIED) {
                w.message = p.message();
            }
        }
        for (WorkerEntry w : List.copyOf(workers.values())) {
            boolean settled = w.startedAt != 0 && e.askedAtMillis() > w.startedAt;
            if (!there.contains(w.name) && (w.found || settled)) {
                gone(w, "it is gone", now);
            }
        }
    }

    private void dial(WorkerEntry w, String endpoint, long now) {
        w.endpoint = endpoint;
        w.dialedAt = now;
        w.linkNumber = ++linkNumber;
        long number = w.linkNumber;
        String name = w.name;
        w.link =
                dialer.dial(
                        endpoint,
                        term,
                        report -> mailbox.add(new FleetEvent.Reported(name, number, report)),
                        () -> mailbox.add(new FleetEvent.Deposed()));
    }

    private void startAnswered(FleetEvent.StartAnswered e, long now) {
        WorkerEntry w = workers.get(e.worker());
        if (w == null) {
            return;
        }
        if (e.problem() == null) {
            w.startedAt = now;
            return;
        }
        LOG.warnf("pool %s: worker %s cannot be started: %s", pool.name(), e.worker(), e.problem());
        starts.failed(now);
        startProblem = e.problem();
        problem = new PoolView.Problem("WorkersFail", e.problem());
        happened(null, true, "WorkersFail", e.problem());
        finishedWorkerSeconds += seconds(w, now);
        workers.remove(e.worker());
    }

    private void stopAnswered(FleetEvent.StopAnswered e, long now) {
        WorkerEntry w = workers.get(e.worker());
        if (w == null) {
            return;
        }
        if (e.problem() == null) {
            workers.remove(e.worker());
            LOG.infof("pool %s: worker %s has been given back", pool.name(), e.worker());
        } else {
            LOG.warnf(
                    "pool %s: worker %s cannot be stopped: %s",
                    pool.name(), e.worker(), e.problem());
            w.stopSent = false;
            w.stop.failed(now);
        }
    }

    private void lastWords(String worker, String words) {
        if (words == null) {
            return;
        }
        startProblem = words;
        String reason = WorkerProblems.reason(words);
        problem = new PoolView.Problem(reason, words);
        LOG.warnf("pool %s: worker %s ended: %s", pool.name(), worker, words);
        happened(null, true, reason, "worker " + worker + " ended: " + words);
    }

    /** Since its request, or since this operator started when an earlier one requested it. */
    private double seconds(WorkerEntry w, long now) {
        return (now - Math.max(w.requestedAt, w.found ? startedAt : 0)) / 1000.0;
    }

    /** The worker counts no longer; its place is freed and it is stopped. */
    private void giveBack(WorkerEntry w, long now) {
        if (w.stopping) {
            return;
        }
        w.stopping = true;
        finishedWorkerSeconds += seconds(w, now);
        if (w.link != null) {
            if (sessions.values().stream().anyMatch(s -> w.name.equals(s.worker))) {
                // SIGTERM alone would let it go on for its grace.
                drain(w, "end", 0);
            }
            w.link.close();
            w.link = null;
        }
    }

    /** The worker is no more, or is taken to be no more: what it had is recovered elsewhere. */
    private void gone(WorkerEntry w, String why, long now) {
        boolean empty = sessions.values().stream().noneMatch(s -> w.name.equals(s.worker));
        boolean stopping = w.stopping;
        boolean expected = stopping || w.leaving() != null && empty;
        boolean neverReady = w.readyAt == 0;
        giveBack(w, now);
        workers.remove(w.name);
        if (expected) {
            LOG.infof("pool %s: worker %s has ended", pool.name(), w.name);
            if (!stopping) {
                emptied(w);
            }
            return;
        }
        LOG.warnf("pool %s: worker %s is lost: %s", pool.name(), w.name, why);
        happened(null, true, "WorkerLost", "worker " + w.name + " is lost: " + why);
        if (neverReady) {
            starts.failed(now);
            String name = w.name;
            commands.execute(
                    () ->
                            mailbox.add(
                                    new FleetEvent.LastWords(
                                            name, provider.lastWords(pool.name(), name))));
        }
        for (SessionEntry s : sessions.values()) {
            if (s.live != null && s.live.begun() && s.live.touches(w.name)) {
                // Who owns it now is for the other side to say.
                s.live.gone(w.name, calls, now);
                concludeMove(s, now);
                continue;
            }
            if (w.name.equals(s.moveTo)) {
                s.moveTo = null;
            }
            if (!w.name.equals(s.worker)) {
                continue;
            }
            boolean suspect =
                    !w.emptying()
                            && s.verb != Verb.RELEASE
                            && (s.state == SessionState.SESSION_STATE_RUNNING
                                    || s.state == SessionState.SESSION_STATE_LOADING
                                    || s.verb == Verb.ADMIT);
            s.clearCommand();
            s.leave(now);
            s.retry.succeeded();
            touched.add(s.uid);
            if (s.finished != null || s.closing != null) {
                continue;
            }
            recoveries++;
            s.message = "worker " + w.name + " is lost; it goes on elsewhere";
            if (suspect && ++s.deaths > DEATHS_UNTIL_ALONE) {
                finish(
                        s,
                        SessionView.Phase.FAILED,
                        "quarantined: %d workers in a row died under it, the last one with nothing else on it"
                                .formatted(s.deaths),
                        now);
            }
        }
    }

    // ---- time

    private void tick(long now) {
        if (!listing && now - listedAt >= LISTING_MILLIS) {
            listing = true;
            listedAt = now;
            String name = pool.name();
            commands.execute(
                    () -> {
                        try {
                            mailbox.add(new FleetEvent.Listed(now, provider.list(name)));
                        } catch (RuntimeException e) {
                            mailbox.add(
                                    new FleetEvent.ListingFailed(String.valueOf(e.getMessage())));
                        }
                    });
        }
        boolean allHeard = true;
        for (WorkerEntry w : List.copyOf(workers.values())) {
            if (w.stopping) {
                continue;
            }
            long heard = Math.max(w.heardAt, w.dialedAt);
            boolean wasThere = w.heardAt != 0 || w.found;
            if (w.found && w.heardAt == 0 && w.endpoint != null) {
                allHeard = false;
            }
            if (w.link == null) {
                continue;
            }
            if (!wasThere) {
                if (now - w.dialedAt >= FIRST_REPORT_MILLIS) {
                    String name = w.name;
                    gone(w, "it does not report", now);
                    stop(name, now);
                }
                continue;
            }
            if (!w.unknown && now - heard >= settings.silentMillis()) {
                w.unknown = true;
                LOG.warnf(
                        "pool %s: worker %s has been silent for %.1f s; its sessions are frozen",
                        pool.name(), w.name, (now - heard) / 1000.0);
            }
            if (now - heard >= settings.fenceMillis()) {
                String why = "silent for %d s".formatted((now - heard) / 1000);
                String name = w.name;
                gone(w, why, now);
                stop(name, now);
            }
        }
        if (rebuilding && now - startedAt >= (listed && allHeard ? 0 : settings.barrierMillis())) {
            rebuilt(now);
        }
    }

    private void rebuilt(long now) {
        rebuilding = false;
        boolean silent = false;
        for (WorkerEntry w : workers.values()) {
            if (w.found && w.heardAt == 0 && !w.stopping) {
                w.unknown = w.endpoint != null;
                silent |= w.unknown;
            }
        }
        for (SessionEntry s : sessions.values()) {
            // A session that nobody reported may be on a worker that is silent: wait until that one
            // is heard or given up.
            s.frozen = s.frozen && silent && s.worker == null;
        }
        reviewCapacities(now);
        for (WorkerEntry w : workers.values()) {
            capacities.carries(
                    w,
                    sessions.values().stream()
                            .filter(s -> w.name.equals(s.worker))
                            .filter(s -> s.demands() && !s.unserved())
                            .mapToDouble(s -> classOf(s, pool.settings().capacity()).weight())
                            .sum());
        }
        LOG.infof(
                "pool %s: leads with term %d after %.1f s; workers: %d, sessions: %d%s",
                pool.name(),
                term,
                (now - startedAt) / 1000.0,
                workers.size(),
                sessions.size(),
                silent ? ", some workers silent" : "");
        unclaimed.clear();
    }

    // ---- decisions

    private void decide(long now) {
        boolean anyUnknown =
                workers.values().stream().anyMatch(w -> w.unknown && w.found && w.heardAt == 0);
        for (SessionEntry s : sessions.values()) {
            s.frozen &= anyUnknown;
        }
        empty(now);
        replaceOld(now);
        reviewCapacities(now);
        FleetSnapshot snapshot = snapshot(now);
        lateness.pass(sessions.values(), now, snapshot.pool().latencyTargetMillis());
        Plan next = deciding.decide(pool, snapshot, lateness.dueSeconds(), lateness.lateSeconds());
        if (next.wantedWorkers() != plan.wantedWorkers()) {
            LOG.infof(
                    "pool %s: workers wanted: %d (%s)",
                    pool.name(), next.wantedWorkers(), next.reason());
            happened(
                    null,
                    false,
                    next.wantedWorkers() > plan.wantedWorkers() ? "ScalingUp" : "ScalingDown",
                    "workers wanted: %d, before: %d (%s)"
                            .formatted(next.wantedWorkers(), plan.wantedWorkers(), next.reason()));
        }
        plan =
                next.limited() && budgetWorkers == snapshot.pool().maxWorkers()
                        ? next.because(
                                next.reason()
                                        + ", which the budget of group "
                                        + pool.spec().scaling().budget().group()
                                        + " leaves it")
                        : next;
        demand = 0;
        for (SessionSnapshot s : snapshot.sessions()) {
            demand += s.demands() ? s.weight() : 0;
        }
        for (Action action : next.actions()) {
            carryOut(action, now);
        }
    }

    /** Sessions leave workers that empty, in their turn; see {@link Drain}. */
    private void empty(long now) {
        for (WorkerEntry w : workers.values()) {
            Leaving leaving = w.stopping ? null : w.leaving();
            if (leaving == null && w.announced && !w.stopping) {
                stays(w);
            }
            if (leaving == null || w.announced) {
                continue;
            }
            w.undraining = false;
            w.announced = true;
            w.lastLeftAt = now;
            w.wentLive = 0;
            w.wentToStore = 0;
            w.message = leaving.sentence();
            LOG.infof(
                    "pool %s: worker %s is to be emptied (%s): %s%s",
                    pool.name(),
                    w.name,
                    leaving.reason().title(),
                    leaving.sentence(),
                    leaving.deadline() == null ? "" : "; it ends by " + leaving.deadline());
            happened(
                    null,
                    false,
                    leaving.reason().title(),
                    "worker " + w.name + " is emptied: " + leaving.sentence());
        }
        Drain.Step step = Drain.look(workers.values(), sessions.values(), now);
        for (SessionEntry s : step.drop()) {
            LOG.infof(
                    "pool %s: session %s leaves worker %s for the store: the worker is emptied",
                    pool.name(), s.uid, s.worker);
            order(s, Verb.RELEASE);
        }
        step.giveBack().forEach(w -> giveBack(w, now));
    }

    /** The reason to empty it has gone before it was empty: a node that is uncordoned again. */
    private void stays(WorkerEntry w) {
        w.announced = false;
        w.message = "";
        w.undraining = w.draining;
        w.draining = false;
        w.drainSent = false;
        String sentence =
                "worker %s is not emptied any more: the reason has gone; sessions moved meanwhile: %d"
                        .formatted(w.name, w.wentLive);
        LOG.infof("pool %s: %s", pool.name(), sentence);
        happened(null, false, "Stays", sentence);
    }

    /** What became of the sessions of a worker that had to leave. */
    private void emptied(WorkerEntry w) {
        if (w.leaving() == null) {
            return;
        }
        String sentence =
                "worker %s is empty: sessions moved live: %d, left for their logs: %d"
                        .formatted(w.name, w.wentLive, w.wentToStore);
        LOG.infof("pool %s: %s", pool.name(), sentence);
        happened(null, false, "Emptied", sentence);
    }

    /** Workers of an old image are replaced one by one; see {@link RollingUpgrade}. */
    private void replaceOld(long now) {
        switch (upgrade.look(workers, provider.image(pool.spec()), now)) {
            case RollingUpgrade.Step.Wait w -> {}
            case RollingUpgrade.Step.Start s -> {
                if (starts.ready(now)) {
                    request("it takes the place of one of an old image", now)
                            .ifPresent(upgrade::started);
                }
            }
            case RollingUpgrade.Step.Replace(WorkerEntry old) -> old.replaced = true;
            case RollingUpgrade.Step.GiveBack(WorkerEntry useless) -> giveBack(useless, now);
        }
    }

    private FleetSnapshot snapshot(long now) {
        PoolSettings settingsNow = poolSettings();
        List<WorkerSnapshot> seen = new ArrayList<>();
        Map<String, Integer> held = new HashMap<>();
        for (SessionEntry s : sessions.values()) {
            if (s.worker != null) {
                held.merge(s.worker, 1, Integer::sum);
            }
            if (s.moveTo != null) {
                held.merge(s.moveTo, 1, Integer::sum);
            }
        }
        for (WorkerEntry w : workers.values()) {
            w.serves = 0;
            boolean empty = !held.containsKey(w.name);
            w.emptySince = empty ? (w.emptySince == 0 ? now : w.emptySince) : 0;
            if (w.stopping) {
                continue;
            }
            if (w.occupied == empty) {
                w.occupied = !empty;
                String name = w.name;
                boolean occupied = w.occupied;
                commands.execute(() -> provider.occupied(pool.name(), name, occupied));
            }
            if (upgrade.hides(w)) {
                continue;
            }
            seen.add(
                    new WorkerSnapshot(
                            w.name,
                            w.phase(),
                            w.leaving() != null,
                            w.hello.getDeviceBytesLimit(),
                            w.hello.getSessionBytes(),
                            w.requestedAt,
                            w.readyAt,
                            w.emptySince,
                            0,
                            w.node,
                            capacities.capacity(w)));
        }
        List<SessionSnapshot> known = new ArrayList<>();
        for (SessionEntry s : sessions.values()) {
            if (s.finished != null || s.closing != null) {
                // It leaves its worker by itself; until then it is there, and wants nothing.
                if (s.worker != null) {
                    known.add(
                            new SessionSnapshot(
                                    s.uid,
                                    false,
                                    false,
                                    0,
                                    1,
                                    0,
                                    0,
                                    new SessionSnapshot.Place.Host(s.worker),
                                    true,
                                    false));
                }
                continue;
            }
            SessionClass itsClass = classOf(s, settingsNow.capacity());
            WorkerEntry at = s.unserved() || !s.demands() ? null : workers.get(s.worker);
            if (at != null) {
                at.serves += itsClass.weight();
            }
            known.add(
                    new SessionSnapshot(
                            s.uid,
                            s.wish.active(),
                            s.wantsChunks,
                            itsClass.priority(),
                            itsClass.weight(),
                            s.waitingSince,
                            s.idleSince,
                            place(s),
                            s.busy()
                                    || s.frozen
                                    || s.heldBack
                                    || held(s, now)
                                    || !s.retry.ready(now),
                            s.alone()));
        }
        return new FleetSnapshot(now, settingsNow, seen, known, DemandHistory.none());
    }

    private SessionClass classOf(SessionEntry s, int capacity) {
        return SessionClass.of(pool, capacity, s.spec(), shared.priorityClasses());
    }

    /** A worker that is to be emptied has no use for who put a session there. */
    private boolean held(SessionEntry s, long now) {
        WorkerEntry w = s.worker == null ? null : workers.get(s.worker);
        return w != null && !w.emptying() && s.held(now);
    }

    /** The pool's settings, with what workers have told since. */
    private PoolSettings poolSettings() {
        PoolSettings floors = Floors.at(pool.settings(), pool.spec(), clock.instant());
        PoolSettings.Builder p =
                floors.with()
                        .capacity(capacities.capacity(), capacities.profile(carriedMillis()))
                        .state(moveCosts.costs(floors.state()));
        int most = floors.maxWorkers();
        budgetWorkers = shared.budgets().limit(pool.name(), claim(p.build()), clock.millis());
        if (budgetWorkers < most) {
            most = budgetWorkers;
            p.limits(Math.min(floors.minWorkers(), most), most);
        }
        if (pool.paidByNode()) {
            p.economy(new PoolSettings.Economy(floors.economy().warmSpare(), workersPerNode(most)));
        }
        double interval = 0;
        for (WorkerEntry w : workers.values()) {
            interval = Math.max(interval, w.hello.getChunkIntervalS());
        }
        if (interval > 0) {
            p.chunkIntervalMillis(Math.round(interval * 1000));
        }
        return p.build();
    }

    /** What this pool asks of a budget that it shares. */
    private SharedBudgets.Claim claim(PoolSettings p) {
        String group = budgetGroup();
        GPUPoolSpec.Scaling scaling = group.isEmpty() ? null : pool.spec().scaling();
        boolean manual = p.mode() == PoolSettings.Mode.MANUAL;
        return new SharedBudgets.Claim(
                group,
                scaling == null ? 0 : Floors.perHour(scaling.budget()),
                manual ? p.manualWorkers() : p.minWorkers(),
                manual ? p.manualWorkers() : Math.min(plan.unlimitedWorkers(), p.maxWorkers()),
                demand,
                p.capacity(),
                scaling == null ? 0 : Floors.price(scaling),
                workers.size());
    }

    /** The group whose budget it shares, in its namespace; empty for none. */
    private String budgetGroup() {
        GPUPoolSpec.Scaling scaling = pool.spec() == null ? null : pool.spec().scaling();
        return scaling == null
                        || scaling.budget() == null
                        || scaling.budget().group() == null
                        || scaling.price() == null
                ? ""
                : pool.namespace() + "/" + scaling.budget().group();
    }

    /** As many as the fullest node has, or fewer, so that whole nodes make up the maximum. */
    private int workersPerNode(int maximum) {
        Map<String, Integer> counts = new HashMap<>();
        for (WorkerEntry w : workers.values()) {
            if (!w.stopping && !w.node.isEmpty()) {
                counts.merge(w.node, 1, Integer::sum);
            }
        }
        int most = counts.values().stream().max(Integer::compare).orElse(1);
        while (most > 1 && maximum % most != 0) {
            most--;
        }
        return most;
    }

    private static SessionSnapshot.Place place(SessionEntry s) {
        if (s.moveTo != null) {
            return new SessionSnapshot.Place.Moving(s.worker == null ? "" : s.worker, s.moveTo);
        }
        if (s.worker == null) {
            return new SessionSnapshot.Place.Store();
        }
        boolean parked = s.suspended() && s.verb != Verb.RESUME || s.verb == Verb.SUSPEND;
        return parked
                ? new SessionSnapshot.Place.Host(s.worker)
                : new SessionSnapshot.Place.Device(s.worker);
    }

    private void carryOut(Action action, long now) {
        switch (action) {
            case Action.Place(String uid, String worker) -> {
                SessionEntry s = sessions.get(uid);
                LOG.infof(
                        "pool %s: session %s goes to worker %s with epoch %d",
                        pool.name(), uid, worker, s.epoch + 1);
                admit(s, worker, now);
            }
            case Action.Move(String uid, String from, String to) -> {
                SessionEntry s = sessions.get(uid);
                LOG.infof(
                        "pool %s: session %s moves from worker %s to %s",
                        pool.name(), uid, from, to);
                s.moveTo = to;
                s.moveReason = whyItLeaves(workers.get(from));
                moveLive(s, Transport.TRANSPORT_DIRECT);
            }
            case Action.Suspend(String uid, String worker) -> {
                LOG.infof(
                        "pool %s: session %s is suspended on worker %s", pool.name(), uid, worker);
                order(sessions.get(uid), Verb.SUSPEND);
            }
            case Action.Resume(String uid, String worker) -> {
                LOG.infof("pool %s: session %s is resumed on worker %s", pool.name(), uid, worker);
                order(sessions.get(uid), Verb.RESUME);
            }
            case Action.Release(String uid, String worker) -> {
                LOG.infof(
                        "pool %s: session %s leaves worker %s for the store",
                        pool.name(), uid, worker);
                order(sessions.get(uid), Verb.RELEASE);
            }
            case Action.RequestWorkers(int count) -> request(count, now);
            case Action.DrainWorker(String worker) -> {
                WorkerEntry w = workers.get(worker);
                if (w.leaving() == null) {
                    LOG.infof(
                            "pool %s: worker %s is drained: %s",
                            pool.name(), worker, plan.reason());
                }
                w.draining = true;
                w.lastLeftAt = now;
            }
            case Action.ReleaseWorker(String worker) -> {
                LOG.infof("pool %s: worker %s is given back", pool.name(), worker);
                emptied(workers.get(worker));
                giveBack(workers.get(worker), now);
            }
        }
    }

    private void request(int count, long now) {
        if (!starts.ready(now)) {
            return;
        }
        for (int i = 0; i < count; i++) {
            request(plan.reason(), now);
        }
    }

    /** The name of the worker that was asked for, if its name was free. */
    private Optional<String> request(String reason, long now) {
        String name = pool.shortName() + "-" + randomName.get();
        if (!everSeen.add(name)) {
            return Optional.empty();
        }
        LOG.infof("pool %s: worker %s is requested: %s", pool.name(), name, reason);
        workers.put(name, new WorkerEntry(name, now, false));
        Map<String, String> config = new LinkedHashMap<>(pool.workerSettings());
        config.put("reelfleet.worker.name", name);
        config.put("reelfleet.worker.pool", pool.name());
        config.putIfAbsent(
                "reelfleet.worker.grace",
                Grace.of(pool.settings(), sessionBytes()).toSeconds() + "s");
        WorkerLaunch launch = new WorkerLaunch(name, pool.name(), pool.uid(), config, pool.spec());
        commands.execute(
                () -> {
                    try {
                        provider.start(launch);
                        mailbox.add(new FleetEvent.StartAnswered(name, null));
                    } catch (WorkerStartException e) {
                        mailbox.add(new FleetEvent.StartAnswered(name, e.getMessage()));
                    } catch (RuntimeException e) {
                        LOG.debugf(e, "worker %s", name);
                        mailbox.add(
                                new FleetEvent.StartAnswered(
                                        name, "the worker cannot be started: " + e.getMessage()));
                    }
                });
        return Optional.of(name);
    }

    /** What workers have told of the state of one session; 0 while none has. */
    private long sessionBytes() {
        return workers.values().stream().mapToLong(w -> w.hello.getSessionBytes()).max().orElse(0);
    }

    private void stop(String name, long now) {
        stopped.put(name, now);
        commands.execute(
                () -> {
                    try {
                        provider.stop(pool.name(), name);
                        mailbox.add(new FleetEvent.StopAnswered(name, null));
                    } catch (RuntimeException e) {
                        mailbox.add(
                                new FleetEvent.StopAnswered(name, String.valueOf(e.getMessage())));
                    }
                });
    }

    // ---- commands

    private void admit(SessionEntry s, String worker, long now) {
        s.worker = worker;
        s.epoch++;
        s.state = SessionState.SESSION_STATE_LOADING;
        s.admittedAtChunk = s.nextChunk;
        s.missingSince = 0;
        touched.add(s.uid);
        order(s, Verb.ADMIT);
    }

    private void order(SessionEntry s, Verb verb) {
        s.verb = verb;
        s.command = ++commandNumber;
        s.sent = false;
        s.requestId = null;
        touched.add(s.uid);
    }

    /**
     * Starts what is due: releases of the unwanted, updates, commands that wait for their retry,
     * stops, drains.
     */
    private void advance(long now) {
        for (SessionEntry s : List.copyOf(sessions.values())) {
            if (!s.busy()) {
                if (s.closing != null || s.finished != null) {
                    letGo(s, now);
                } else if (s.worker != null && s.toldVersion != s.version && s.retry.ready(now)) {
                    order(s, Verb.UPDATE);
                }
            }
            if (s.live != null) {
                advanceMove(s, now);
            } else if (s.busy() && !s.sent && s.retry.ready(now)) {
                send(s, now);
            }
        }
        for (WorkerEntry w : workers.values()) {
            if (w.stopping && !w.stopSent && w.stop.ready(now)) {
                w.stopSent = true;
                stop(w.name, now);
            }
            boolean wrong = w.failed() && !w.stopping && now - w.heardAt >= 0 && starts.ready(now);
            if (wrong) {
                // It will not come up by itself; the next one may find the model or the store
                // mended.
                giveBack(w, now);
            }
            if ((w.draining || w.undraining)
                    && !w.drainSent
                    && w.link != null
                    && w.drain.ready(now)) {
                w.drainSent = true;
                drain(w, "drain" + ++w.drains, NO_DEADLINE);
            }
        }
    }

    private void letGo(SessionEntry s, long now) {
        if (s.worker != null) {
            order(s, Verb.RELEASE);
        } else if (s.closing != null) {
            sessions.remove(s.uid);
            touched.add(s.uid);
        } else if (s.wish.source() == SessionWish.Source.ALLOCATOR
                && now - s.finishedAt > FINISHED_MILLIS) {
            sessions.remove(s.uid);
            touched.add(s.uid);
        }
    }

    private void drain(WorkerEntry w, String id, long graceSeconds) {
        DrainRequest.Builder request =
                DrainRequest.newBuilder()
                        .setTerm(term)
                        .setRequestId("t" + term + "-" + id + "-" + w.name)
                        .setStop(w.undraining && !w.stopping);
        if (graceSeconds != NO_DEADLINE) {
            request.setGrace(com.google.protobuf.Duration.newBuilder().setSeconds(graceSeconds));
        }
        String name = w.name;
        WorkerLink link = w.link;
        call(() -> link.drain(request.build()))
                .whenComplete(
                        (ok, failure) ->
                                mailbox.add(new FleetEvent.DrainAnswered(name, cause(failure))));
    }

    private CommandHeader header(String uid, long epoch, String requestId) {
        return CommandHeader.newBuilder()
                .setSessionUid(uid)
                .setEpoch(epoch)
                .setTerm(term)
                .setRequestId(requestId)
                .build();
    }

    private void send(SessionEntry s, long now) {
        WorkerEntry w = s.worker == null ? null : workers.get(s.worker);
        if (w == null || w.link == null) {
            if (s.verb == Verb.RELEASE) {
                // Nobody is left to ask.
                mailbox.add(new FleetEvent.Answered(s.uid, s.command, s.epoch, s.nextChunk, null));
                s.sent = true;
                return;
            }
            s.clearCommand();
            s.leave(now);
            return;
        }
        s.sent = true;
        if (s.requestId == null) {
            s.requestId = "t" + term + "-" + s.command;
        }
        CommandHeader header = header(s.uid, s.epoch, s.requestId);
        WorkerLink link = w.link;
        String uid = s.uid;
        long number = s.command;
        switch (s.verb) {
            case ADMIT -> {
                s.toldVersion = s.version;
                AdmitRequest request =
                        AdmitRequest.newBuilder()
                                .setHeader(header)
                                .setSpec(s.spec())
                                .setSuspended(!s.wish.active())
                                .setWantedSince(Timestamps.fromMillis(s.waitingSince))
                                .build();
                call(() -> link.admit(request))
                        .whenComplete(
                                (r, failure) ->
                                        mailbox.add(
                                                new FleetEvent.Answered(
                                                        uid,
                                                        number,
                                                        r == null ? 0 : r.getEpoch(),
                                                        r == null ? 0 : r.getNextChunk(),
                                                        cause(failure))));
            }
            case SUSPEND -> {
                SessionCommand request = SessionCommand.newBuilder().setHeader(header).build();
                answer(uid, number, call(() -> link.suspend(request)));
            }
            case RESUME -> {
                SessionCommand request =
                        SessionCommand.newBuilder()
                                .setHeader(header)
                                .setWantedSince(Timestamps.fromMillis(s.waitingSince))
                                .build();
                answer(uid, number, call(() -> link.resume(request)));
            }
            case UPDATE -> {
                s.toldVersion = s.version;
                UpdateRequest request =
                        UpdateRequest.newBuilder().setHeader(header).setSpec(s.spec()).build();
                answer(uid, number, call(() -> link.update(request)));
            }
            case MOVE -> throw new IllegalStateException("a move has calls of its own");
            case RELEASE -> {
                ReleaseRequest request =
                        ReleaseRequest.newBuilder()
                                .setHeader(header)
                                .setEnd(s.closing != null && s.finished == null)
                                .setReason(s.closing == null ? "" : s.closing)
                                .build();
                answer(uid, number, call(() -> link.release(request)));
            }
        }
    }

    private void answer(String uid, long number, CompletableFuture<CommandResponse> call) {
        call.whenComplete(
                (r, failure) ->
                        mailbox.add(
                                new FleetEvent.Answered(
                                        uid,
                                        number,
                                        0,
                                        r == null ? 0 : r.getNextChunk(),
                                        cause(failure))));
    }

    private static <T> CompletableFuture<T> call(Supplier<CompletableFuture<T>> call) {
        try {
            return call.get();
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private static Throwable cause(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null
                ? failure.getCause()
                : failure;
    }

    private void answered(FleetEvent.Answered e, long now) {
        SessionEntry s = sessions.get(e.session());
        if (s == null || !s.busy() || s.command != e.command()) {
            return;
        }
        Verb verb = s.verb;
        if (e.problem() == null) {
            s.retry.succeeded();
            s.nextChunk = Math.max(s.nextChunk, e.nextChunk());
            s.clearCommand();
            succeeded(s, verb, e, now);
            return;
        }
        Status status = Status.fromThrowable(e.problem());
        String sentence =
                status.getDescription() == null ? status.getCode().name() : status.getDescription();
        s.sent = false;
        switch (status.getCode()) {
            case FAILED_PRECONDITION -> {
                if (sentence.startsWith("STALE_TERM")) {
                    deposed.run();
                    return;
                }
                if (sentence.startsWith("STALE_EPOCH")) {
                    s.clearCommand();
                    staleEpoch(s, verb, sentence, now);
                    return;
                }
                refused(s, verb, sentence, now);
            }
            case RESOURCE_EXHAUSTED, ABORTED -> refused(s, verb, sentence, now);
            case NOT_FOUND -> {
                s.clearCommand();
                if (verb == Verb.RELEASE) {
                    succeeded(s, verb, e, now);
                } else {
                    s.leave(now);
                    s.retry.failed(now);
                }
            }
            case INVALID_ARGUMENT -> {
                s.clearCommand();
                if (verb == Verb.ADMIT) {
                    s.worker = null;
                    finish(s, SessionView.Phase.FAILED, sentence, now);
                } else if (verb == Verb.UPDATE) {
                    s.message = sentence;
                    happened(s.uid, true, "Refused", sentence);
                } else {
                    refused(s, verb, sentence, now);
                }
            }
            default -> {
                // Nobody knows whether it was done: the same request again.
                s.retry.failed(now);
                LOG.infof(
                        "pool %s: %s of session %s on worker %s is tried again: %s",
                        pool.name(), verb, s.uid, s.worker, sentence);
                if (s.closing != null && verb != Verb.RELEASE && verb != Verb.ADMIT) {
                    s.clearCommand();
                }
            }
        }
        touched.add(s.uid);
    }

    private void succeeded(SessionEntry s, Verb verb, FleetEvent.Answered e, long now) {
        touched.add(s.uid);
        switch (verb) {
            case ADMIT -> {
                s.epoch = Math.max(s.epoch, e.epoch());
                s.message = "";
                // From now on: since when it has been served.
                s.waitingSince = now;
            }
            case SUSPEND -> {
                transition(s, SessionState.SESSION_STATE_SUSPENDED);
                if (s.demands()) {
                    // It gave way to others and waits for its turn from now on.
                    s.waitingSince = now;
                }
                s.reportsCountFrom = now + OVERTAKEN_MILLIS;
            }
            case RESUME -> {
                transition(s, SessionState.SESSION_STATE_RUNNING);
                s.waitingSince = now;
                s.reportsCountFrom = now + OVERTAKEN_MILLIS;
            }
            case UPDATE, MOVE -> {}
            case RELEASE -> {
                WorkerEntry left = s.worker == null ? null : workers.get(s.worker);
                if (left != null && s.closing == null && s.finished == null) {
                    left.wentToStore++;
                }
                String to = s.moveTo;
                s.moveTo = null;
                s.leave(now);
                if (to != null && s.closing == null && s.finished == null) {
                    WorkerEntry target = workers.get(to);
                    if (target != null && target.phase() == WorkerSnapshot.Phase.READY) {
                        s.moves++;
                        migrations++;
                        if (s.moveByLog != null) {
                            moves.ended(s.moveByLog, MoveView.Outcome.MOVED, "", now);
                        }
                        admit(s, to, now);
                    }
                }
            }
        }
    }

    // ---- live moves

    /** What a live move needs of this loop. */
    private final LiveMove.Calls calls =
            new LiveMove.Calls() {
                @Override
                public WorkerLink link(String worker) {
                    WorkerEntry w = workers.get(worker);
                    return w == null ? null : w.link;
                }

                @Override
                public CommandHeader header(String uid, long epoch, String requestId) {
                    return FleetLoop.this.header(uid, epoch, requestId);
                }

                @Override
                public void post(FleetEvent.MoveAnswered answer) {
                    mailbox.add(
                            new FleetEvent.MoveAnswered(
                                    answer.session(),
                                    answer.move(),
                                    answer.worker(),
                                    answer.response(),
                                    cause(answer.problem())));
                }
            };

    private void moveLive(SessionEntry s, Transport transport) {
        String to = s.moveTo;
        order(s, Verb.MOVE);
        Move move = new Move("t" + term + "-m" + s.command, s.worker, to, s.epoch + 1);
        s.live = new LiveMove(move, s.spec(), s.epoch, transport, settings.moveBytesPerSecond());
        moves.ordered(
                move.id(),
                s,
                s.worker,
                to,
                s.moveReason,
                transport == Transport.TRANSPORT_STORE
                        ? MoveView.Transport.STORE
                        : MoveView.Transport.LIVE,
                clock.millis());
    }

    /** The last resort: it is released, and rebuilt from its log on the worker it was meant for. */
    private void moveByLog(SessionEntry s, String to) {
        s.moveTo = to;
        order(s, Verb.RELEASE);
        s.moveByLog = "t" + term + "-m" + s.command;
        moves.ordered(
                s.moveByLog, s, s.worker, to, s.moveReason, MoveView.Transport.LOG, clock.millis());
    }

    /** A move is over, and its figures are there where it has any. */
    private void moved(MoveView move) {
        MoveView.Figures figures = move.figures();
        if (figures != null
                && move.outcome() == MoveView.Outcome.MOVED
                && move.transport() == MoveView.Transport.LIVE) {
            moveCosts.measured(figures.bytesBefore() + figures.bytesAfter(), figures.seconds());
        }
        listener.moved(pool.name(), move);
    }

    private static String whyItLeaves(WorkerEntry from) {
        if (from != null && from.leaving() != null) {
            return from.leaving().reason().title();
        }
        return from != null && from.emptying() ? "ScaleIn" : "Spread";
    }

    private boolean goesOn(MoveView move) {
        SessionEntry s = sessions.get(move.session());
        if (s == null) {
            return false;
        }
        return move.transport() == MoveView.Transport.LOG
                ? move.id().equals(s.moveByLog) && s.verb == Verb.RELEASE
                : s.live != null && s.live.move.id().equals(move.id());
    }

    /** One transfer at a time and worker. */
    private void advanceMove(SessionEntry s, long now) {
        LiveMove live = s.live;
        if (!live.begun()) {
            boolean taken =
                    sessions.values().stream()
                            .anyMatch(
                                    other ->
                                            other.live != null
                                                    && other.live.begun()
                                                    && (other.live.touches(live.move.source())
                                                            || other.live.touches(
                                                                    live.move.target())));
            if (!taken) {
                s.sent = true;
                live.begin(calls, now);
            }
        } else {
            live.tick(calls, now);
        }
        if (live.begun()) {
            // Also of a worker that went while this move waited for its turn: nobody else tells it.
            for (String worker : List.of(live.move.source(), live.move.target())) {
                if (!workers.containsKey(worker)) {
                    live.gone(worker, calls, now);
                }
            }
        }
        concludeMove(s, now);
    }

    private void moveReported(WorkerEntry w, MoveReport r, long now) {
        SessionEntry s = sessions.get(r.getMove().getSessionUid());
        if (s == null || s.live == null || !s.live.move.id().equals(r.getMove().getId())) {
            return;
        }
        LiveMove.outcome(r.getOutcome())
                .ifPresent(
                        outcome -> {
                            s.live.reported(w.name, outcome, r.getSentence(), calls, now);
                            concludeMove(s, now);
                        });
    }

    private void concludeMove(SessionEntry s, long now) {
        LiveMove live = s.live;
        if (live == null || live.result().isEmpty()) {
            return;
        }
        String to = s.moveTo;
        s.clearCommand();
        s.moveTo = null;
        s.missingSince = 0;
        touched.add(s.uid);
        moves.ended(
                live.move.id(),
                switch (live.result().get()) {
                    case MOVED -> MoveView.Outcome.MOVED;
                    case KEPT -> MoveView.Outcome.KEPT;
                    case LOST -> MoveView.Outcome.LOST;
                },
                live.sentence(),
                now);
        switch (live.result().get()) {
            case MOVED -> {
                LOG.infof(
                        "pool %s: session %s has moved to worker %s with epoch %d",
                        pool.name(), s.uid, live.move.target(), live.move.epoch());
                s.worker = live.move.target();
                WorkerEntry left = workers.get(live.move.source());
                if (left != null) {
                    left.lastLeftAt = now;
                    left.wentLive++;
                }
                s.epoch = Math.max(s.epoch, live.move.epoch());
                s.admittedAtChunk = s.nextChunk;
                if (s.moveReason.equals(ASKED)) {
                    s.heldUntil = now + settings.holdMillis();
                }
                s.message = "";
                s.moves++;
                migrations++;
                s.retry.succeeded();
                if (workers.get(s.worker) == null) {
                    s.leave(now);
                }
            }
            case LOST -> {
                LOG.infof(
                        "pool %s: session %s lost its worker while it moved: %s",
                        pool.name(), s.uid, live.sentence());
                s.epoch = Math.max(s.epoch, live.move.epoch());
                recoveries++;
                s.message = "its worker was lost while it moved; it goes on elsewhere";
                s.leave(now);
            }
            case KEPT -> kept(s, live, to, now);
        }
    }

    /** It could not be moved live: through the store, then by its log. */
    private void kept(SessionEntry s, LiveMove live, String to, long now) {
        LOG.infof(
                "pool %s: session %s stays at worker %s, move to %s failed: %s",
                pool.name(), s.uid, s.worker, live.move.target(), live.sentence());
        WorkerEntry target = to == null ? null : workers.get(to);
        boolean possible =
                target != null
                        && target.phase() == WorkerSnapshot.Phase.READY
                        && workers.get(live.move.source()) != null
                        && s.closing == null
                        && s.finished == null;
        if (possible && !live.refused() && live.transport == Transport.TRANSPORT_DIRECT) {
            s.moveTo = to;
            moveLive(s, Transport.TRANSPORT_STORE);
        } else if (possible && (live.unimplemented() || !live.refused())) {
            moveByLog(s, to);
        } else {
            s.message = live.sentence();
            s.retry.failed(now);
        }
    }

    private void staleEpoch(SessionEntry s, Verb verb, String sentence, long now) {
        long newer = WorkerProblems.epochIn(sentence);
        LOG.infof("pool %s: session %s: %s", pool.name(), s.uid, sentence);
        if (verb == Verb.ADMIT) {
            s.epoch = Math.max(s.epoch, newer);
            s.leave(now);
        } else if (verb == Verb.RELEASE) {
            succeeded(s, verb, new FleetEvent.Answered(s.uid, 0, 0, 0, null), now);
        } else {
            s.retry.failed(now);
        }
    }

    /** The worker cannot do it now. */
    private void refused(SessionEntry s, Verb verb, String sentence, long now) {
        LOG.infof(
                "pool %s: worker %s refuses %s of session %s: %s",
                pool.name(), s.worker, verb, s.uid, sentence);
        s.clearCommand();
        s.retry.failed(now);
        s.message = sentence;
        if (verb == Verb.ADMIT) {
            s.leave(now);
        } else if (verb == Verb.RESUME) {
            // It may fit elsewhere: its state is dropped here and built there.
            order(s, Verb.RELEASE);
        }
    }

    // ---- view

    private void happened(String session, boolean warning, String reason, String message) {
        listener.happened(
                new FleetListener.Occurrence(pool.name(), session, warning, reason, message));
    }

    private void publish(long now) {
        if (now - latencyAt >= 1_000) {
            latencyAt = now;
            publishedLatency = latency.at(now);
        }
        Map<String, int[]> counts = new HashMap<>();
        Map<String, SessionView> sessionViews = new LinkedHashMap<>();
        Set<String> changed = new HashSet<>();
        for (SessionEntry s : sessions.values()) {
            SessionView v = view(s);
            if (s.view == null || differs(s.view, v)) {
                changed.add(s.uid);
            }
            s.view = v;
            sessionViews.put(s.uid, v);
            if (s.worker != null) {
                counts.computeIfAbsent(s.worker, k -> new int[2])[s.suspended() ? 1 : 0]++;
            }
        }
        changed.addAll(touched);
        touched.clear();
        List<WorkerView> workerViews = new ArrayList<>();
        Set<String> controls = new HashSet<>();
        double seconds = finishedWorkerSeconds;
        for (WorkerEntry w : workers.values()) {
            if (w.stopping) {
                continue;
            }
            seconds += seconds(w, now);
            controls.addAll(w.hello.getControlsList());
            int[] n = counts.getOrDefault(w.name, new int[2]);
            workerViews.add(
                    new WorkerView(
                            w.name,
                            w.title(),
                            n[0],
                            n[1],
                            w.latency.at(now).p99(),
                            Instant.ofEpochMilli(w.requestedAt),
                            w.readyAt == 0 ? null : Instant.ofEpochMilli(w.readyAt),
                            Objects.requireNonNullElse(w.endpoint, ""),
                            w.deviceBytesUsed,
                            w.hello.getDeviceBytesLimit(),
                            w.message));
        }
        moves.tick(this::goesOn, now);
        PoolView before = view;
        view =
                new PoolView(
                        pool,
                        term,
                        rebuilding,
                        List.copyOf(workerViews),
                        java.util.Collections.unmodifiableMap(sessionViews),
                        plan.wantedWorkers(),
                        plan.limited(),
                        plan.reason(),
                        new PoolView.Totals(
                                chunks,
                                late,
                                lateness.waitedSeconds(),
                                seconds,
                                suspends,
                                resumes,
                                migrations,
                                recoveries),
                        publishedLatency,
                        Set.copyOf(controls),
                        problem(),
                        capacities.capacity(),
                        capacities.views(workers.values(), carriedMillis()),
                        budgetWorkers == SharedBudgets.UNLIMITED ? -1 : budgetWorkers,
                        deciding.shadow().wanted(),
                        deciding.shadow().differs(),
                        moves.views());
        for (Runnable reply : replies) {
            reply.run();
        }
        replies.clear();
        if (!changed.isEmpty() || before == null || !before.workers().equals(view.workers())) {
            listener.changed(pool.name(), changed);
        }
    }

    private PoolView.Problem problem() {
        for (WorkerEntry w : workers.values()) {
            if (w.unknown) {
                return new PoolView.Problem(
                        "WorkerSilent",
                        "worker "
                                + w.name
                                + " is silent; its sessions are frozen until it speaks or is given"
                                + " up");
            }
        }
        return problem;
    }

    private static boolean differs(SessionView a, SessionView b) {
        return a.phase() != b.phase()
                || !a.worker().equals(b.worker())
                || a.epoch() != b.epoch()
                || !a.message().equals(b.message());
    }

    private SessionView view(SessionEntry s) {
        SessionView.Phase phase;
        String reason;
        String message = s.message;
        if (s.finished != null) {
            phase = s.finished;
            reason =
                    s.finished == SessionView.Phase.FAILED && s.deaths > DEATHS_UNTIL_ALONE
                            ? "Quarantined"
                            : phase.title();
        } else if (!s.wish.active() && (s.worker == null || s.suspended())) {
            phase = SessionView.Phase.SUSPENDED;
            reason = "Desired";
        } else if (s.worker == null && s.moveTo == null) {
            phase = SessionView.Phase.QUEUED;
            reason = rebuilding || s.frozen ? "Rebuilding" : "WaitingForWorker";
            if (message.isEmpty()) {
                message =
                        rebuilding || s.frozen
                                ? "waiting for workers to report"
                                : waitingFor("a worker");
            }
        } else if (s.state == SessionState.SESSION_STATE_LOADING
                && s.moves == 0
                && s.nextChunk == 0) {
            phase = SessionView.Phase.QUEUED;
            reason = "Loading";
            if (message.isEmpty()) {
                message = "worker " + s.worker + " builds its state";
            }
        } else if (s.suspended() && s.wantsChunks && s.moveTo == null) {
            phase = SessionView.Phase.QUEUED;
            reason = "WaitingForTurn";
            if (message.isEmpty()) {
                message = "all workers are full; " + waitingFor("its turn");
            }
        } else {
            phase = SessionView.Phase.RUNNING;
            reason = s.moveTo != null ? "Moving" : s.suspended() ? "Idle" : "Running";
        }
        return new SessionView(
                s.wish,
                phase,
                reason,
                message,
                Objects.requireNonNullElse(s.worker, ""),
                s.epoch,
                s.nextChunk,
                s.moves,
                s.finished == null ? null : Instant.ofEpochMilli(s.finishedAt));
    }

    private String waitingFor(String what) {
        if (removed) {
            return "the GPUPool " + pool.name() + " was deleted";
        }
        if (startProblem != null && problem != null) {
            return "waiting for %s; workers do not come up: %s".formatted(what, problem.message());
        }
        return plan.limited()
                ? "waiting for %s; the pool is at its maximum of %d"
                        .formatted(what, pool.settings().maxWorkers())
                : "waiting for " + what;
    }
}
