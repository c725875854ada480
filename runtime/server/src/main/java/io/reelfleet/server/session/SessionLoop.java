package io.reelfleet.server.session;

import com.google.protobuf.Timestamp;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.RewindRequest;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.Advance;
import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidImageException;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.StoredChunk;
import io.reelfleet.engine.VideoFrames;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.FencedException;
import io.reelfleet.migration.SessionLog;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.UnknownChunkException;
import io.reelfleet.server.media.SegmentEncoder;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The worker's one engine thread: takes commands from a mailbox between denoising steps, and
 * advances the sessions whose chunks have been due longest by one step at a time, in one batch.
 *
 * <p>A finished chunk goes to its session's writer; the next may begin meanwhile. Commands answer
 * by futures, completed on the loop's or a writer's thread. The methods are safe for use by many
 * threads.
 */
public final class SessionLoop {
    /** A wait beyond this says more about clocks than about the fleet. */
    private static final Duration LONGEST_COUNTED_WAIT = Duration.ofHours(1);

    private static final Logger LOG = LoggerFactory.getLogger(SessionLoop.class);

    /** How long an idle loop sleeps at most: so late it may notice that a viewer left. */
    private static final Duration LONGEST_WAIT = Duration.ofMillis(250);

    /** How often an idle loop looks after states that are on their way. */
    private static final Duration SETTLE = Duration.ofMillis(2);

    /** How long a fenced session stays in the reports, so that its operator hears of it. */
    private static final Duration SHOW_FENCED = Duration.ofSeconds(30);

    /** Where the worker stands. */
    public enum Phase {
        LOADING,
        READY,
        DRAINING,
        FAILED
    }

    /** Loads the model; runs on the loop's thread, the only one that touches the engine. */
    public interface Loader {
        Generators load() throws ModelException;
    }

    /** Answer to an admission. */
    public record Admitted(long epoch, long nextChunk) {}

    /** Answer to a command. */
    public record Standing(SessionState state, long nextChunk) {}

    /**
     * Answer to controls.
     *
     * @param chunk the first chunk they are in force for
     * @param applied completed once that chunk is stored
     */
    public record Controlled(long chunk, CompletableFuture<Long> applied) {}

    /**
     * A chunk that is being decoded.
     *
     * @param number its number in the log
     * @param firstFrame number of its first video frame
     * @param inForce controls it was made under
     * @param due when it was due
     */
    record Decoding(
            CompletableFuture<GeneratedChunk> chunk,
            long number,
            long firstFrame,
            List<Control> inForce,
            Instant due) {}

    private final LoopSettings settings;
    private final ChunkStore store;
    private final Clock clock;
    private final LoopListener listener;
    private final Thread thread;
    private final BlockingQueue<Runnable> mailbox = new LinkedBlockingQueue<>();
    private final Map<String, LiveSession> sessions = new ConcurrentHashMap<>();
    private final Moves moves;

    private volatile Phase phase = Phase.LOADING;
    private volatile String message = "";
    private volatile boolean stopping;
    private volatile Optional<ModelDescription> model = Optional.empty();

    /** See {@link LoopSettings#liveChunks}. */
    private volatile long liveChunks;

    private volatile Memory memory = new Memory(0, 0, 0);
    private Generators engine;
    private SegmentEncoder encoder;

    /** Bytes in use by sessions. */
    public record Memory(long deviceUsed, long deviceLimit, long hostUsed) {}

    public SessionLoop(
            LoopSettings settings,
            ChunkStore store,
            Loader loader,
            Clock clock,
            LoopListener listener) {
        this(settings, MoveSettings.defaults(), store, loader, clock, listener);
    }

    public SessionLoop(
            LoopSettings settings,
            MoveSettings moveSettings,
            ChunkStore store,
            Loader loader,
            Clock clock,
            LoopListener listener) {
        this.settings = settings;
        this.liveChunks = settings.liveChunks();
        this.store = store;
        this.clock = clock;
        this.listener = listener;
        this.moves = new Moves(new Home(), moveSettings);
        this.thread = Thread.ofPlatform().name("engine").unstarted(() -> run(loader));
    }

    public void start() {
        thread.start();
    }

    public Phase phase() {
        return phase;
    }

    /** Why the phase is not READY, in a sentence; empty when it is. */
    public String message() {
        return message;
    }

    /** What the loaded model is; empty while it loads or when it could not be. */
    public Optional<ModelDescription> model() {
        return model;
    }

    public Memory memory() {
        return memory;
    }

    /** All sessions here as they stand now. */
    public List<SessionReport> sessions() {
        return sessions.values().stream().map(s -> s.report).toList();
    }

    /** Moves under way here and those that ended lately. */
    public List<MoveReport> moves() {
        return moves.reports();
    }

    /** The stored chunks of a session that is here. */
    public Optional<ChunkFeed> feed(String uid) {
        return Optional.ofNullable(sessions.get(uid)).map(s -> s.feed);
    }

    /** While it loads: why that takes longer, in a sentence. */
    public void waiting(String sentence) {
        message = sentence;
        listener.changed();
    }

    // Commands.

    /**
     * Takes a session over; answers once its Owner entry is stored.
     *
     * @param wantedSince chunks have been wanted since then; its first chunk's latency counts from
     *     there
     */
    public CompletableFuture<Admitted> admit(
            SessionSpec spec,
            long epoch,
            long term,
            boolean suspended,
            Optional<Instant> wantedSince) {
        CompletableFuture<Admitted> answer = new CompletableFuture<>();
        post(answer, () -> admitNow(spec, epoch, term, suspended, wantedSince, answer));
        return answer;
    }

    /** State off the device. */
    public CompletableFuture<Standing> suspend(String uid, long epoch) {
        return command(
                uid,
                epoch,
                (session, answer) ->
                        whenLoaded(
                                session,
                                answer,
                                () -> {
                                    requireNoRewind(session);
                                    arrive(session);
                                    if (session.is(SessionState.SESSION_STATE_RUNNING)) {
                                        suspendNow(session);
                                    }
                                    session.offloaded = false;
                                    refresh(session);
                                    answer.complete(standing(session));
                                }));
    }

    /**
     * State back on the device.
     *
     * @param wantedSince as for an admission
     */
    public CompletableFuture<Standing> resume(
            String uid, long epoch, Optional<Instant> wantedSince) {
        return command(
                uid,
                epoch,
                (session, answer) ->
                        whenLoaded(
                                session,
                                answer,
                                () -> {
                                    requireNoRewind(session);
                                    if (session.is(SessionState.SESSION_STATE_SUSPENDED)) {
                                        session.wantedSince = wantedSince;
                                        resumeNow(session, answer);
                                    } else {
                                        answer.complete(standing(session));
                                    }
                                }));
    }

    /** Changes controls, pacing and limits. */
    public CompletableFuture<Standing> update(String uid, long epoch, SessionSpec spec) {
        return command(uid, epoch, (session, answer) -> updateNow(session, spec, answer));
    }

    /** Forgets a session here, and ends its log if {@code end}. */
    public CompletableFuture<Standing> release(
            String uid, long epoch, boolean end, String reason, String endMessage) {
        CompletableFuture<Standing> answer = new CompletableFuture<>();
        post(
                answer,
                () -> {
                    LiveSession session = existing(uid);
                    // A higher epoch is another worker's: this one drops what it has, and may not
                    // end the log.
                    if (session.epoch > epoch || (end && session.epoch != epoch)) {
                        throw stale(session, epoch);
                    }
                    releaseNow(session, end, reason, endMessage, answer);
                });
        return answer;
    }

    /** Takes memory for a session that moves here, and listens for its source. */
    public CompletableFuture<MoveResponse> prepareMove(PrepareMoveRequest request) {
        return move(
                answer -> {
                    checkAdmitting();
                    check(request.getSpec());
                    moves.prepare(
                            MoveForms.move(request.getMove()),
                            request.getSpec(),
                            request.getTransport(),
                            answer);
                });
    }

    /** Sends a session to where its target listens, while it goes on. */
    public CompletableFuture<MoveResponse> startMove(StartMoveRequest request) {
        return move(
                answer -> {
                    LiveSession session = existing(request.getMove().getSessionUid());
                    if (session.epoch != request.getHeader().getEpoch()) {
                        throw stale(session, request.getHeader().getEpoch());
                    }
                    moves.start(
                            MoveForms.move(request.getMove()),
                            session.uid,
                            request.getTransport(),
                            request.getHost(),
                            request.getPort(),
                            request.getWithoutPrecopy(),
                            request.getBytesPerSecond(),
                            answer);
                });
    }

    /** Ends a move unless its target owns the session. */
    public CompletableFuture<MoveResponse> cancelMove(Move move) {
        return move(answer -> moves.cancel(MoveForms.move(move), move.getSessionUid(), answer));
    }

    private CompletableFuture<MoveResponse> move(Consumer<CompletableFuture<Moves.Answer>> task) {
        CompletableFuture<Moves.Answer> answer = new CompletableFuture<>();
        post(answer, () -> task.accept(answer));
        return answer.thenApply(
                a -> {
                    MoveResponse.Builder response =
                            MoveResponse.newBuilder()
                                    .setSentence(a.sentence())
                                    .setHost(a.host())
                                    .setPort(a.port());
                    a.outcome().ifPresent(o -> response.setOutcome(MoveForms.outcome(o)));
                    return response.build();
                });
    }

    /**
     * Takes no new sessions from now on.
     *
     * @param why in a few words
     */
    public CompletableFuture<Void> drain(String why) {
        CompletableFuture<Void> answer = new CompletableFuture<>();
        post(
                answer,
                () -> {
                    if (phase == Phase.READY) {
                        phase = Phase.DRAINING;
                        message = why;
                        LOG.info("draining, {}: {} sessions here", why, sessions.size());
                        listener.changed();
                    }
                    answer.complete(null);
                });
        return answer;
    }

    /** So many of the newest chunks of a session are kept from now on; 0: all of them. */
    public void keepLive(long chunks) {
        if (chunks != liveChunks) {
            LOG.info("of live sessions {} chunks are kept now", chunks == 0 ? "all" : chunks);
        }
        liveChunks = chunks;
    }

    /** Takes sessions in again after {@link #drain}. */
    public CompletableFuture<Void> stopDraining() {
        CompletableFuture<Void> answer = new CompletableFuture<>();
        post(
                answer,
                () -> {
                    if (phase == Phase.DRAINING) {
                        phase = Phase.READY;
                        message = "";
                        LOG.info("draining no longer: {} sessions here", sessions.size());
                        listener.changed();
                    }
                    answer.complete(null);
                });
        return answer;
    }

    /** Puts controls in force from the next chunk that begins. */
    public CompletableFuture<Controlled> control(String uid, List<Control> controls) {
        return control(uid, controls, OptionalLong.empty(), "");
    }

    /**
     * Puts controls in force from the next chunk that begins; with {@code rewindTo} that is this
     * stored chunk again.
     *
     * @param id a request that is repeated under it does not go back twice
     */
    public CompletableFuture<Controlled> control(
            String uid, List<Control> controls, OptionalLong rewindTo, String id) {
        CompletableFuture<Controlled> answer = new CompletableFuture<>();
        Instant received = clock.instant();
        post(
                answer,
                () -> {
                    LiveSession session = existing(uid);
                    if (session.over()) {
                        throw invalid("session %s is over and takes no controls".formatted(uid));
                    }
                    requireStill(session);
                    check(controls);
                    withPicture(
                            session,
                            controls.stream()
                                    .filter(ControlTracks::isFirstFrame)
                                    .reduce((first, second) -> second),
                            answer,
                            picture -> {
                                requireStill(session);
                                if (rewindTo.isPresent()) {
                                    rewindNow(
                                            session,
                                            rewindTo.getAsLong(),
                                            controls,
                                            picture,
                                            "viewer/" + id,
                                            received,
                                            answer);
                                } else {
                                    controlNow(session, controls, picture, received, answer);
                                }
                            });
                });
        return answer;
    }

    private static void requireStill(LiveSession session) {
        if (session.frozen) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s is changing its worker: send it again".formatted(session.uid));
        }
        requireNoRewind(session);
    }

    private static void requireNoRewind(LiveSession session) {
        if (session.rewinding) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s is going back to another chunk: send it again"
                            .formatted(session.uid));
        }
    }

    /** Goes on with a control's picture, once it is here; fetching it holds nobody up. */
    private void withPicture(
            LiveSession session,
            Optional<Control> control,
            CompletableFuture<?> answer,
            Consumer<Optional<VideoFrames>> task) {
        if (control.isEmpty()) {
            task.accept(Optional.empty());
            return;
        }
        ModelDescription description = engine.model();
        Thread.ofVirtual()
                .name("picture-" + session.uid)
                .start(
                        () -> {
                            try {
                                VideoFrames picture =
                                        settings.images()
                                                .load(control.get().getImage(), description);
                                post(answer, () -> task.accept(Optional.of(picture)));
                            } catch (Refusal e) {
                                answer.completeExceptionally(e);
                            }
                        });
    }

    private void controlNow(
            LiveSession session,
            List<Control> controls,
            Optional<VideoFrames> picture,
            Instant received,
            CompletableFuture<Controlled> answer) {
        long position = session.positionToBegin();
        if (picture.isPresent() && position > 0) {
            throw tooLate(session);
        }
        setTexts(session, controls, position);
        picture.ifPresent(
                image -> {
                    session.firstFrame = image;
                    session.firstFrameGiven = false;
                });
        controls.forEach(c -> session.controls.send(c, position));
        long from = session.nextToBegin();
        LOG.info("session {} takes controls from chunk {} on", session.uid, from);
        answer.complete(new Controlled(from, awaits(session, from, controls, received)));
    }

    private static Refusal tooLate(LiveSession session) {
        return invalid(
                "the picture of role %s comes before the first chunk, and session %s has begun: open another session with it, or go back to chunk 0 with it"
                        .formatted(ControlTracks.FIRST_FRAME, session.uid));
    }

    private static CompletableFuture<Long> awaits(
            LiveSession session, long chunk, List<Control> controls, Instant received) {
        CompletableFuture<Long> applied = new CompletableFuture<>();
        List<String> kinds = controls.stream().map(Control::getKind).distinct().toList();
        session.sent.add(
                new LiveSession.Sent(
                        chunk, applied, kinds.isEmpty() ? List.of("rewind") : kinds, received));
        return applied;
    }

    /**
     * Goes back to a stored chunk. The session stands still until the log has the Rewind entry,
     * which comes behind all chunks on their way; a refusal leaves it as it was.
     */
    private void rewindNow(
            LiveSession session,
            long chunk,
            List<Control> sent,
            Optional<VideoFrames> picture,
            String id,
            Instant received,
            CompletableFuture<Controlled> answer) {
        if (session.moving) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s is changing its worker: send it again".formatted(session.uid));
        }
        if (session.is(SessionState.SESSION_STATE_LOADING)) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s is being built: send it again".formatted(session.uid));
        }
        if (limitReached(session)) {
            throw invalid(
                    "session %s has reached its limit and generates nothing any more"
                            .formatted(session.uid));
        }
        finishDecoding(session);
        if (session.over()) {
            throw invalid("session %s is over and takes no controls".formatted(session.uid));
        }
        List<Long> none = List.of();
        Optional<Generator> rebuilt =
                session.is(SessionState.SESSION_STATE_RUNNING)
                        ? Optional.ofNullable(session.generator)
                        : Optional.empty();
        session.rewinding = true;
        List<Control> spec = session.spec.getControlsList();
        session.writer.run(
                () -> {
                    try {
                        SessionWriter.Rewound rewound =
                                session.writer.rewind(chunk, spec, sent, id);
                        List<StoredChunk> chunks =
                                session.writer.chunks(
                                        rewound.done() && rebuilt.isPresent()
                                                ? rebuilt.get()
                                                        .rebuildSet(rewound.place().position())
                                                : none);
                        mailbox.add(
                                () ->
                                        answering(
                                                answer,
                                                () ->
                                                        rewound(
                                                                session, rewound, chunks, sent,
                                                                picture, received, answer)));
                    } catch (UnknownChunkException e) {
                        mailbox.add(
                                () -> {
                                    session.rewinding = false;
                                    answer.completeExceptionally(
                                            new Refusal(Refusal.Kind.INVALID, e.getMessage(), e));
                                });
                    } catch (FencedException e) {
                        mailbox.add(
                                () -> {
                                    fenced(session, e);
                                    answer.completeExceptionally(
                                            new Refusal(Refusal.Kind.STALE, e.getMessage(), e));
                                });
                    } catch (StoreException e) {
                        mailbox.add(
                                () -> {
                                    failed(session, e.getMessage());
                                    answer.completeExceptionally(
                                            new Refusal(
                                                    Refusal.Kind.UNAVAILABLE, e.getMessage(), e));
                                });
                    }
                });
    }

    private void rewound(
            LiveSession session,
            SessionWriter.Rewound rewound,
            List<StoredChunk> chunks,
            List<Control> sent,
            Optional<VideoFrames> picture,
            Instant received,
            CompletableFuture<Controlled> answer) {
        session.rewinding = false;
        if (session.over()) {
            throw new Refusal(Refusal.Kind.UNAVAILABLE, "session " + session.uid + " is over");
        }
        if (!rewound.done()) {
            long next = session.nextToBegin();
            answer.complete(new Controlled(next, awaits(session, next, sent, received)));
            return;
        }
        long position = rewound.place().position();
        session.inChunk = false;
        session.nextToGenerate = rewound.place().number();
        standAt(session, rewound.place());
        session.controls.rewind(position, rewound.inForce());
        sent.forEach(c -> session.controls.send(c, position));
        picture.ifPresent(image -> session.firstFrame = image);
        session.firstFrameGiven = false;
        if (session.generator != null && session.is(SessionState.SESSION_STATE_RUNNING)) {
            setNegativePrompt(session, position);
            session.generator.rebuild(position, chunks);
            session.prompt = chunks.isEmpty() ? "" : chunks.getLast().prompt();
        } else {
            // What is parked belongs to a timeline that is over: the log brings the other one back.
            session.closeGenerator();
        }
        remember();
        LOG.info(
                "session {} goes back: chunk {} stands at position {}",
                session.uid,
                session.nextToGenerate,
                position);
        long from = session.nextToGenerate;
        answer.complete(new Controlled(from, awaits(session, from, sent, received)));
        refresh(session);
    }

    private void standAt(LiveSession session, SessionWriter.Place place) {
        session.replayed = place.number() - place.position();
        session.framesReplayed =
                place.firstFrame() - Frames.before(engine.model(), place.position());
    }

    /** A viewer has played up to here. Answers with the chunk that is stored next. */
    public CompletableFuture<Long> heartbeat(String uid, String viewer, double playedSeconds) {
        CompletableFuture<Long> answer = new CompletableFuture<>();
        post(
                answer,
                () -> {
                    LiveSession session = existing(uid);
                    if (session.pace != null) {
                        session.pace.heartbeat(viewer, playedSeconds, clock.instant());
                    }
                    answer.complete(session.nextStored);
                });
        return answer;
    }

    /**
     * Stops at the next step boundary, waits a little for what is being stored, and frees
     * everything.
     */
    public void stop() throws InterruptedException {
        stopping = true;
        mailbox.add(() -> {});
        thread.join(Duration.ofSeconds(20));
    }

    // The loop's thread.

    private void run(Loader loader) {
        try {
            engine = loader.load();
            int cap = engine.batchCap();
            ModelDescription description = engine.model();
            encoder =
                    new SegmentEncoder(
                            description.width(), description.height(), description.fps());
            model = Optional.of(description);
            phase = Phase.READY;
            message = "";
            LOG.info(
                    "ready: model {} {}x{} at {} frames/s, up to {} sessions in a step, {}",
                    description.name(),
                    description.width(),
                    description.height(),
                    description.fps(),
                    cap,
                    engine.fingerprint());
        } catch (ModelException | IllegalArgumentException e) {
            fail(e.getMessage());
        } catch (RuntimeException | Error e) {
            LOG.error("the engine could not be started", e);
            fail("the engine could not be started: " + e);
        }
        listener.changed();
        while (!stopping) {
            try {
                turn();
            } catch (InterruptedException e) {
                stopping = true;
            }
        }
        shutDown();
    }

    private void fail(String sentence) {
        phase = Phase.FAILED;
        message = sentence;
        LOG.error("this worker cannot serve: {}", sentence);
    }

    private void turn() throws InterruptedException {
        for (Runnable task = mailbox.poll(); task != null; task = mailbox.poll()) {
            run(task);
        }
        Instant now = clock.instant();
        keepHouse(now);
        boolean settling = settle();
        List<LiveSession> runnable = runnable(now);
        if (!runnable.isEmpty()) {
            advance(runnable);
        } else {
            Duration wait = untilNextDue(now);
            wait = settling && wait.compareTo(SETTLE) > 0 ? SETTLE : wait;
            Runnable task = mailbox.poll(wait.toNanos(), TimeUnit.NANOSECONDS);
            if (task != null) {
                run(task);
            }
        }
    }

    private void run(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException e) {
            LOG.error("a task of the engine thread failed", e);
        }
        remember();
    }

    private void remember() {
        if (engine != null) {
            memory =
                    new Memory(
                            engine.deviceBytesUsed(),
                            engine.deviceBytesLimit(),
                            engine.hostBytesUsed());
        }
    }

    /**
     * The sessions that can step now, in the order of their slack: whose chunk has been due longest
     * has the least.
     */
    private List<LiveSession> runnable(Instant now) {
        record Waiting(Instant due, LiveSession session) {}
        List<Waiting> waiting = new ArrayList<>();
        for (LiveSession session : sessions.values()) {
            if (session.canStep()) {
                due(session)
                        .filter(due -> !due.isAfter(now))
                        .ifPresent(due -> waiting.add(new Waiting(due, session)));
            }
        }
        waiting.sort(
                Comparator.comparing(Waiting::due)
                        .thenComparing(Waiting::session, Comparator.comparing(each -> each.uid)));
        return waiting.stream().map(Waiting::session).toList();
    }

    private Duration untilNextDue(Instant now) {
        Duration wait = LONGEST_WAIT;
        for (LiveSession session : sessions.values()) {
            if (session.canStep()) {
                Optional<Instant> due = due(session);
                if (due.isPresent() && Duration.between(now, due.get()).compareTo(wait) < 0) {
                    wait = Duration.between(now, due.get());
                }
            }
        }
        return wait.isNegative() ? Duration.ZERO : wait;
    }

    private Optional<Instant> due(LiveSession session) {
        if (session.inChunk) {
            return Optional.of(session.due);
        }
        if (limitReached(session)) {
            return Optional.empty();
        }
        long k = session.nextToGenerate;
        return session.pace.due(k, Frames.secondsBefore(engine.model(), session));
    }

    /**
     * One denoising step of those with the least slack, as many as a batch takes, whatever step and
     * chunk each is at. Chunks that it finished are decoded and handed on in the same order.
     */
    private void advance(List<LiveSession> runnable) {
        List<LiveSession> batch = new ArrayList<>();
        for (LiveSession session : runnable) {
            if (batch.size() < engine.batchCap() && begun(session)) {
                batch.add(session);
            }
        }
        List<Advance> advances =
                engine.step(batch.stream().map(each -> each.generator).toList(), runnable.size());
        for (int i = 0; i < batch.size(); i++) {
            LiveSession session = batch.get(i);
            Advance advance = advances.get(i);
            try {
                if (advance.failure() != null) {
                    throw advance.failure();
                }
                if (advance.ready()) {
                    finishChunk(session);
                }
            } catch (RuntimeException e) {
                LOG.error("session {} failed while generating", session.uid, e);
                failed(session, "generating failed: " + e.getMessage());
            }
        }
    }

    /** Begins the session's next chunk where none is in the making; false if it cannot step now. */
    private boolean begun(LiveSession session) {
        if (session.inChunk) {
            return true;
        }
        try {
            session.due = due(session).orElseThrow();
            applyAll(session, session.position());
            session.inChunk = true;
            session.pace.begun(clock.instant());
            return true;
        } catch (Refusal e) {
            // A text of a later chunk that the model does not take: the one before it stays.
            session.lastError = e.getMessage();
            session.prompt = session.controls.prompt(session.position());
            session.negativePrompt =
                    session.controls.text(ControlTracks.NEGATIVE_PROMPT, session.position());
            session.inChunk = true;
            refresh(session);
            return true;
        } catch (RuntimeException e) {
            LOG.error("session {} failed while generating", session.uid, e);
            failed(session, "generating failed: " + e.getMessage());
            return false;
        }
    }

    /** Sends a finished chunk to be decoded; what is decoded at once is handed on at once. */
    private void finishChunk(LiveSession session) {
        Decoding decoding =
                new Decoding(
                        session.generator.decode(),
                        session.nextToGenerate,
                        Frames.before(engine.model(), session),
                        session.controls.inForce(session.position()),
                        session.due);
        session.inChunk = false;
        session.nextToGenerate++;
        session.pending++;
        session.pace.generated(clock.instant());
        session.decoding.add(decoding);
        if (decoding.chunk().isDone()) {
            handOn(session);
        } else {
            decoding.chunk().whenComplete((chunk, error) -> mailbox.add(() -> handOn(session)));
        }
    }

    /** Waits for the chunks that are being decoded, and hands them on. */
    private void finishDecoding(LiveSession session) {
        session.decoding.forEach(each -> each.chunk().handle((chunk, error) -> null).join());
        handOn(session);
    }

    /** Hands the chunks that are decoded to the session's writer. */
    private void handOn(LiveSession session) {
        try {
            while (!session.decoding.isEmpty() && session.decoding.getFirst().chunk().isDone()) {
                Decoding decoded = session.decoding.removeFirst();
                if (!session.over() && sessions.get(session.uid) == session) {
                    handOn(session, decoded);
                }
            }
        } catch (CompletionException e) {
            LOG.error("session {} failed while decoding", session.uid, e.getCause());
            failed(session, "decoding failed: " + e.getCause().getMessage());
        }
    }

    private void handOn(LiveSession session, Decoding decoded) {
        SessionWriter.Pending pending =
                new SessionWriter.Pending(
                        decoded.chunk().join(),
                        decoded.number(),
                        decoded.firstFrame(),
                        decoded.inForce(),
                        decoded.due());
        session.writer.run(
                () ->
                        session.writer.append(
                                pending,
                                encoder,
                                engine.model(),
                                settings.latencyTarget(),
                                outcome(session, pending)));
        letGoOfOldChunks(session, decoded.number());
        if (session.decoding.isEmpty() && !session.inChunk && limitReached(session)) {
            session.closeGenerator();
            remember();
            session.writer.run(
                    () ->
                            session.writer.end(
                                    "Completed",
                                    "all %d chunks are generated".formatted(session.nextToGenerate),
                                    e -> mailbox.add(() -> completed(session, "Completed", e))));
        }
    }

    /** Now and then, for listing a log costs something. */
    private void letGoOfOldChunks(LiveSession session, long number) {
        long live = liveChunks;
        long often = Math.max(8, live / 4);
        if (live > 0 && number >= live && number % often == 0 && session.generator != null) {
            List<Long> wanted = session.generator.rebuildSet(session.position());
            session.writer.run(
                    () -> {
                        try {
                            session.writer.trim(live, wanted);
                        } catch (FencedException e) {
                            mailbox.add(() -> fenced(session, e));
                        }
                    });
        }
    }

    private SessionWriter.Outcome outcome(LiveSession session, SessionWriter.Pending pending) {
        Instant handedOver = clock.instant();
        return new SessionWriter.Outcome() {
            @Override
            public void stored(LogEntry entry, double generateSeconds, boolean retried) {
                Instant now = clock.instant();
                Duration latency = Duration.between(pending.due(), now);
                session.feed.stored(entry);
                listener.chunkStored(
                        ChunkStat.newBuilder()
                                .setSessionUid(session.uid)
                                .setChunk(entry.getChunk().getChunk())
                                .setLatencyS(latency.toNanos() / 1e9)
                                .setGenerateS(generateSeconds)
                                .setLate(latency.compareTo(settings.latencyTarget()) > 0)
                                .setStoredAt(timestamp(now))
                                .setMediaBytes(entry.getChunk().getMedia().getFragment().size())
                                .build());
                mailbox.add(
                        () -> {
                            session.pending--;
                            session.nextStored = entry.getChunk().getChunk() + 1;
                            if (!session.is(SessionState.SESSION_STATE_FAILED)) {
                                // A chunk that was on its way says nothing of why it failed after.
                                session.lastError = "";
                            }
                            session.pace.stored(now);
                            if (retried) {
                                session.pace.shift(handedOver, now);
                                LOG.info(
                                        "session {} goes on: chunk {} is stored",
                                        session.uid,
                                        entry.getChunk().getChunk());
                            }
                            session.acknowledge(entry.getChunk().getChunk())
                                    .forEach(each -> visible(each, now));
                            refresh(session);
                        });
            }

            @Override
            public void retrying(StoreException e) {
                listener.storeFailed(session.uid, e.getMessage());
                mailbox.add(
                        () -> {
                            if (!session.lastError.equals(e.getMessage())) {
                                LOG.warn("session {} waits: {}", session.uid, e.getMessage());
                                session.lastError = e.getMessage();
                                refresh(session);
                            }
                        });
            }

            @Override
            public void fenced(FencedException e) {
                mailbox.add(() -> SessionLoop.this.fenced(session, e));
            }

            @Override
            public void failed(Exception e) {
                LOG.error("session {}: a chunk could not be stored", session.uid, e);
                mailbox.add(() -> SessionLoop.this.failed(session, e.getMessage()));
            }
        };
    }

    private void visible(LiveSession.Sent sent, Instant now) {
        double seconds = Duration.between(sent.received(), now).toNanos() / 1e9;
        sent.kinds().forEach(kind -> listener.controlVisible(kind, seconds));
    }

    private boolean limitReached(LiveSession session) {
        long limit = session.spec.getMaxChunks();
        if (limit > 0 && session.nextToGenerate >= limit) {
            return true;
        }
        if (!session.spec.hasMaxDuration()) {
            return false;
        }
        double seconds =
                session.spec.getMaxDuration().getSeconds()
                        + session.spec.getMaxDuration().getNanos() / 1e9;
        return seconds > 0 && Frames.secondsBefore(engine.model(), session) >= seconds;
    }

    // Admission.

    private void admitNow(
            SessionSpec spec,
            long epoch,
            long term,
            boolean suspended,
            Optional<Instant> wantedSince,
            CompletableFuture<Admitted> answer) {
        checkAdmitting();
        String firstPrompt = check(spec);
        if (firstPrompt.isEmpty() && spec.hasFrom() && !suspended) {
            // It goes on under the other session's.
            Thread.ofVirtual()
                    .name("fork-" + spec.getUid())
                    .start(
                            () -> {
                                try {
                                    String prompt = SessionWriter.promptOfFork(store, spec);
                                    post(
                                            answer,
                                            () ->
                                                    admitNow(
                                                            spec,
                                                            prompt,
                                                            epoch,
                                                            term,
                                                            suspended,
                                                            wantedSince,
                                                            answer));
                                } catch (UnknownChunkException e) {
                                    answer.completeExceptionally(
                                            new Refusal(Refusal.Kind.INVALID, e.getMessage(), e));
                                } catch (StoreException e) {
                                    answer.completeExceptionally(
                                            new Refusal(
                                                    Refusal.Kind.UNAVAILABLE, e.getMessage(), e));
                                }
                            });
            return;
        }
        admitNow(spec, firstPrompt, epoch, term, suspended, wantedSince, answer);
    }

    private void admitNow(
            SessionSpec spec,
            String firstPrompt,
            long epoch,
            long term,
            boolean suspended,
            Optional<Instant> wantedSince,
            CompletableFuture<Admitted> answer) {
        checkAdmitting();
        LiveSession present = sessions.get(spec.getUid());
        if (present != null) {
            if (present.epoch > epoch) {
                throw stale(present, epoch);
            }
            if (present.epoch == epoch && !present.is(SessionState.SESSION_STATE_FAILED)) {
                present.loaded.whenComplete(
                        (ok, e) -> {
                            if (e == null) {
                                answer.complete(new Admitted(epoch, present.nextStored));
                            } else {
                                answer.completeExceptionally(e);
                            }
                        });
                return;
            }
            forget(present, "taken over again with epoch " + epoch);
        }
        moves.admitted(spec.getUid());
        Instant now = clock.instant();
        LiveSession session =
                new LiveSession(spec, epoch, new SessionWriter(store, spec.getUid(), clock), now);
        session.wantedSince = wantedSince;
        if (!suspended) {
            session.generator = open(session, firstPrompt);
        }
        sessions.put(session.uid, session);
        refresh(session);
        Owner owner =
                Owner.newBuilder()
                        .setWorker(settings.worker())
                        .setEndpoint(settings.endpoint())
                        .setTerm(term)
                        .setSpec(spec)
                        .setFingerprint(engine.fingerprint())
                        .build();
        ModelDescription description = engine.model();
        Optional<Control> picture = session.controls.firstFrame();
        session.writer.run(
                () -> {
                    try {
                        // Before the log says that it is here, since it may not be what it should.
                        Optional<VideoFrames> image =
                                picture.map(p -> settings.images().load(p.getImage(), description));
                        SessionWriter.Taken taken =
                                session.writer.takeOver(epoch, owner, description);
                        session.feed.startsAt(taken.nextChunk());
                        mailbox.add(
                                () -> {
                                    session.firstFrame = image.orElse(null);
                                    taken(session, taken, suspended, answer);
                                });
                    } catch (Refusal e) {
                        refuseAdmission(session, answer, e);
                    } catch (UnknownChunkException e) {
                        refuseAdmission(
                                session,
                                answer,
                                new Refusal(Refusal.Kind.INVALID, e.getMessage(), e));
                    } catch (FencedException e) {
                        refuseAdmission(
                                session,
                                answer,
                                new Refusal(
                                        Refusal.Kind.STALE, "STALE_EPOCH " + e.getMessage(), e));
                    } catch (StoreException e) {
                        refuseAdmission(
                                session,
                                answer,
                                new Refusal(Refusal.Kind.UNAVAILABLE, e.getMessage(), e));
                    }
                });
    }

    private void refuseAdmission(
            LiveSession session, CompletableFuture<Admitted> answer, Refusal refusal) {
        mailbox.add(
                () -> {
                    LOG.info("session {} not admitted: {}", session.uid, refusal.getMessage());
                    session.loaded.completeExceptionally(refusal);
                    forget(session, refusal.getMessage());
                    answer.completeExceptionally(refusal);
                });
    }

    private void taken(
            LiveSession session,
            SessionWriter.Taken taken,
            boolean suspended,
            CompletableFuture<Admitted> answer) {
        Instant now = clock.instant();
        session.nextToGenerate = taken.nextChunk();
        session.nextStored = taken.nextChunk();
        standAt(session, taken.place());
        if (taken.inherited()) {
            session.controls.inherit(taken.newest());
        } else {
            taken.previousSpec()
                    .ifPresent(
                            previous -> {
                                session.controls = new ControlTracks(previous.getControlsList());
                                session.controls.restore(taken.newest());
                                session.controls.update(
                                        session.spec.getControlsList(), session.position());
                            });
        }
        session.pace = pace(session.spec, dueSince(session, now));
        LOG.info(
                "session {} admitted with epoch {} at chunk {}",
                session.uid,
                session.epoch,
                taken.nextChunk());
        answer.complete(new Admitted(session.epoch, taken.nextChunk()));
        if (sessions.get(session.uid) != session) {
            return;
        }
        if (taken.end().isPresent()) {
            session.closeGenerator();
            session.state = SessionState.SESSION_STATE_COMPLETED;
            session.feed.ended(taken.end().get());
            settled(session);
        } else if (limitReached(session)) {
            session.closeGenerator();
            session.writer.run(
                    () ->
                            session.writer.end(
                                    "Completed",
                                    "all %d chunks are generated".formatted(taken.nextChunk()),
                                    e ->
                                            mailbox.add(
                                                    () -> {
                                                        completed(session, "Completed", e);
                                                        settled(session);
                                                    })));
        } else if (suspended) {
            session.state = SessionState.SESSION_STATE_SUSPENDED;
            session.suspendedAt = now;
            settled(session);
        } else {
            build(session, error -> settled(session));
        }
        if (session.spec.hasRewind()) {
            // Asked for while no worker had it, unless it was done before.
            session.loaded.whenComplete(
                    (ok, error) ->
                            mailbox.add(() -> rewindAsAsked(session, new CompletableFuture<>())));
        }
    }

    /** The rewind that the spec asks for; the log knows whether it was done before. */
    private void rewindAsAsked(LiveSession session, CompletableFuture<Standing> answer) {
        if (session.over()) {
            answer.complete(standing(session));
            return;
        }
        CompletableFuture<Controlled> done = new CompletableFuture<>();
        RewindRequest asked = session.spec.getRewind();
        answering(
                done,
                () -> {
                    requireStill(session);
                    rewindNow(
                            session,
                            asked.getChunk(),
                            List.of(),
                            Optional.empty(),
                            SessionLog.SPEC_REWIND + asked.getId(),
                            clock.instant(),
                            done);
                });
        done.whenComplete(
                (ok, error) -> {
                    if (error == null) {
                        answer.complete(standing(session));
                    } else {
                        LOG.info("session {}: {}", session.uid, error.getMessage());
                        answer.completeExceptionally(error);
                    }
                });
    }

    private void settled(LiveSession session) {
        refresh(session);
        session.loaded.complete(null);
    }

    /**
     * Fills an opened generator from the newest stored chunks, once what is on its way into the log
     * has arrived.
     */
    private void build(LiveSession session, Consumer<Optional<Refusal>> done) {
        if (session.position() == 0) {
            running(session);
            done.accept(Optional.empty());
            return;
        }
        List<Long> wanted = session.generator.rebuildSet(session.position());
        session.writer.run(
                () -> {
                    try {
                        List<StoredChunk> chunks = session.writer.chunks(wanted);
                        mailbox.add(() -> rebuild(session, chunks, done));
                    } catch (StoreException e) {
                        mailbox.add(
                                () -> {
                                    failed(session, e.getMessage());
                                    done.accept(
                                            Optional.of(
                                                    new Refusal(
                                                            Refusal.Kind.UNAVAILABLE,
                                                            e.getMessage(),
                                                            e)));
                                });
                    }
                });
    }

    private void rebuild(
            LiveSession session, List<StoredChunk> chunks, Consumer<Optional<Refusal>> done) {
        if (session.generator == null) {
            done.accept(
                    Optional.of(new Refusal(Refusal.Kind.UNKNOWN_SESSION, "the session is gone")));
            return;
        }
        try {
            // Keys and values beside the video are made again under it.
            setNegativePrompt(session, session.position());
            session.generator.rebuild(session.position(), chunks);
            session.prompt = chunks.getLast().prompt();
            running(session);
            done.accept(Optional.empty());
        } catch (RuntimeException e) {
            LOG.error("session {} could not be rebuilt", session.uid, e);
            failed(session, "rebuilding from the log failed: " + e.getMessage());
            done.accept(Optional.of(new Refusal(Refusal.Kind.UNAVAILABLE, session.lastError, e)));
        }
    }

    private void running(LiveSession session) {
        Instant now = clock.instant();
        if (session.suspendedAt != null) {
            Instant wanted = dueSince(session, now);
            Instant again = wanted.isBefore(session.suspendedAt) ? session.suspendedAt : wanted;
            session.pace.shift(session.suspendedAt, again);
            if (session.inChunk) {
                session.due = session.due.plus(Duration.between(session.suspendedAt, again));
            }
            session.suspendedAt = null;
        }
        session.lastActive = now;
        session.offloaded = false;
        session.state = SessionState.SESSION_STATE_RUNNING;
    }

    private Generator open(LiveSession session, String prompt) {
        try {
            session.prompt = prompt;
            session.negativePrompt = "";
            return engine.open(new SessionParameters(session.uid, session.spec.getSeed(), prompt));
        } catch (DoesNotFitException e) {
            throw new Refusal(Refusal.Kind.DOES_NOT_FIT, e.getMessage(), e);
        } catch (InvalidPromptException e) {
            throw new Refusal(Refusal.Kind.INVALID, e.getMessage(), e);
        }
    }

    // Suspending and resuming.

    private void suspendNow(LiveSession session) {
        finishDecoding(session);
        if (session.generator == null) {
            return;
        }
        try {
            session.generator.suspend();
        } catch (DoesNotFitException e) {
            // The log can bring it back, so nothing is lost but the chunk in flight.
            LOG.info("session {}: {}; its state is dropped", session.uid, e.getMessage());
            session.closeGenerator();
        }
        session.state = SessionState.SESSION_STATE_SUSPENDED;
        session.suspendedAt = clock.instant();
        LOG.info("session {} suspended before chunk {}", session.uid, session.nextToGenerate);
    }

    private void resumeNow(LiveSession session, CompletableFuture<Standing> answer) {
        if (session.generator != null && session.generator.lost()) {
            session.closeGenerator();
        }
        if (session.generator != null) {
            session.resuming = answer;
            if (!comesBack(session, false)) {
                session.state = SessionState.SESSION_STATE_LOADING;
                refresh(session);
            }
            return;
        }
        session.generator = open(session, session.controls.prompt(session.position()));
        session.state = SessionState.SESSION_STATE_LOADING;
        refresh(session);
        build(
                session,
                refusal -> {
                    refresh(session);
                    if (refusal.isPresent()) {
                        answer.completeExceptionally(refusal.get());
                    } else {
                        LOG.info(
                                "session {} rebuilt at chunk {}",
                                session.uid,
                                session.nextToGenerate);
                        answer.complete(standing(session));
                    }
                });
    }

    /**
     * States that have left the device or come back to it since; true while others are on their
     * way.
     */
    private boolean settle() {
        boolean settling = engine != null && engine.settle();
        for (LiveSession session : sessions.values()) {
            if (session.resuming != null) {
                try {
                    settling |= !comesBack(session, false);
                } catch (Refusal e) {
                    // Its caller was told; it is suspended again.
                    LOG.info("session {} stays suspended: {}", session.uid, e.getMessage());
                }
            }
        }
        return settling;
    }

    /** Waits for a session that is on its way to the device. */
    private void arrive(LiveSession session) {
        if (session.resuming != null) {
            comesBack(session, true);
        }
    }

    /** Goes on with a session's way back to the device; true once it is over. */
    private boolean comesBack(LiveSession session, boolean waits) {
        CompletableFuture<Standing> answer = session.resuming;
        try {
            if (session.generator == null || session.over()) {
                throw new Refusal(Refusal.Kind.UNKNOWN_SESSION, "the session is gone");
            }
            if (waits) {
                session.generator.resume();
            } else if (!session.generator.tryResume()) {
                return false;
            }
        } catch (Refusal | DoesNotFitException e) {
            Refusal refusal =
                    e instanceof Refusal given
                            ? given
                            : new Refusal(Refusal.Kind.DOES_NOT_FIT, e.getMessage(), e);
            session.resuming = null;
            if (!session.over()) {
                session.state = SessionState.SESSION_STATE_SUSPENDED;
                refresh(session);
            }
            answer.completeExceptionally(refusal);
            throw refusal;
        } catch (IllegalStateException e) {
            // Its file cannot be read: the log brings it back.
            LOG.warn("session {}: {}", session.uid, e.getMessage());
            session.resuming = null;
            session.closeGenerator();
            resumeNow(session, answer);
            return true;
        }
        session.resuming = null;
        running(session);
        LOG.info("session {} resumed at chunk {}", session.uid, session.nextToGenerate);
        refresh(session);
        answer.complete(standing(session));
        return true;
    }

    /**
     * Notices viewers that came and went, and moves the state of sessions that idle off the device
     * and back.
     */
    private void keepHouse(Instant now) {
        moves.keepHouse(now);
        for (LiveSession session : List.copyOf(sessions.values())) {
            if (session.forgetAt != null && session.forgetAt.isBefore(now)) {
                sessions.remove(session.uid, session);
                listener.changed();
                continue;
            }
            if (session.pace == null || session.over() || session.moving || session.rewinding) {
                continue;
            }
            boolean active = session.pace.active(now);
            if (active) {
                session.lastActive = now;
            }
            if (active
                    && session.generator != null
                    && session.is(SessionState.SESSION_STATE_SUSPENDED)) {
                // It will be resumed soon, by this loop or by the operator.
                session.generator.prefetch();
            }
            if (active != session.active) {
                session.active = active;
                refresh(session);
            }
            if (!active
                    && session.is(SessionState.SESSION_STATE_RUNNING)
                    && session.generator != null
                    && session.lastActive.plus(settings.idleTimeout()).isBefore(now)) {
                suspendNow(session);
                session.offloaded = true;
                refresh(session);
            } else if (active
                    && session.offloaded
                    && session.is(SessionState.SESSION_STATE_SUSPENDED)) {
                comeBack(session);
            }
        }
        remember();
    }

    private void comeBack(LiveSession session) {
        try {
            resumeNow(session, new CompletableFuture<>());
        } catch (Refusal e) {
            if (!session.lastError.equals(e.getMessage())) {
                session.lastError = e.getMessage();
                LOG.warn("session {} waits for room: {}", session.uid, e.getMessage());
                refresh(session);
            }
        }
    }

    // Updates, release, ends.

    private void updateNow(
            LiveSession session, SessionSpec asked, CompletableFuture<Standing> answer) {
        check(asked);
        // Where it comes from is fixed, also when the other session's object is gone.
        SessionSpec spec =
                session.spec.hasFrom()
                        ? asked.toBuilder().setFrom(session.spec.getFrom()).build()
                        : asked;
        if (spec.getSeed() != session.spec.getSeed()) {
            throw new Refusal(
                    Refusal.Kind.INVALID,
                    "seed of session %s cannot change from %d to %d: open another session"
                            .formatted(session.uid, session.spec.getSeed(), spec.getSeed()));
        }
        whenLoaded(
                session,
                answer,
                () -> {
                    if (!session.over()) {
                        long from = session.positionToBegin();
                        ControlTracks changed = session.controls;
                        changed.update(spec.getControlsList(), from);
                        applyTexts(session, from);
                        if (spec.getPacing() != session.spec.getPacing()) {
                            session.pace = pace(spec, clock.instant());
                        }
                        boolean goesBack =
                                spec.hasRewind()
                                        && !spec.getRewind().equals(session.spec.getRewind());
                        session.spec = spec;
                        if (goesBack) {
                            refresh(session);
                            rewindAsAsked(session, answer);
                            return;
                        }
                        if (!session.inChunk
                                && limitReached(session)
                                && session.generator != null) {
                            session.closeGenerator();
                            session.writer.run(
                                    () ->
                                            session.writer.end(
                                                    "Completed",
                                                    "its limit was set to what is generated",
                                                    e ->
                                                            mailbox.add(
                                                                    () ->
                                                                            completed(
                                                                                    session,
                                                                                    "Completed",
                                                                                    e))));
                        }
                        refresh(session);
                    }
                    answer.complete(standing(session));
                });
    }

    private void releaseNow(
            LiveSession session,
            boolean end,
            String reason,
            String endMessage,
            CompletableFuture<Standing> answer) {
        finishDecoding(session);
        session.closeGenerator();
        remember();
        Standing standing = standing(session);
        if (session.over()) {
            forget(session, "released");
            answer.complete(standing);
            return;
        }
        if (!end) {
            // What is generated is stored first, unless the store refuses it now.
            session.writer.tryOnce();
            session.writer.run(
                    () ->
                            mailbox.add(
                                    () -> {
                                        LOG.info(
                                                "session {} released at chunk {}",
                                                session.uid,
                                                session.nextStored);
                                        Standing last = standing(session);
                                        forget(session, "released");
                                        answer.complete(last);
                                    }));
            return;
        }
        session.state = SessionState.SESSION_STATE_COMPLETED;
        refresh(session);
        String endReason = reason.isEmpty() ? "Deleted" : reason;
        session.writer.run(
                () ->
                        session.writer.end(
                                endReason,
                                endMessage,
                                e ->
                                        mailbox.add(
                                                () -> {
                                                    completed(session, endReason, e);
                                                    forget(session, "released");
                                                    answer.complete(standing);
                                                })));
    }

    private void completed(LiveSession session, String reason, Exception error) {
        if (error instanceof FencedException fenced) {
            fenced(session, fenced);
            return;
        }
        if (error != null) {
            failed(session, error.getMessage());
            return;
        }
        session.state = SessionState.SESSION_STATE_COMPLETED;
        session.active = false;
        LOG.info("session {} ended after {} chunks", session.uid, session.nextStored);
        session.feed.ended(End.newBuilder().setReason(reason).build());
        refresh(session);
    }

    private void fenced(LiveSession session, FencedException e) {
        LOG.info("{}; dropped here", e.getMessage());
        failed(session, "FENCED " + e.getMessage());
        session.forgetAt = clock.instant().plus(SHOW_FENCED);
    }

    private void failed(LiveSession session, String error) {
        moves.lost(session);
        session.closeGenerator();
        session.writer.close();
        session.state = SessionState.SESSION_STATE_FAILED;
        session.active = false;
        session.lastError = String.valueOf(error);
        session.feed.gone(session.lastError);
        session.loaded.complete(null);
        remember();
        refresh(session);
    }

    private void forget(LiveSession session, String why) {
        moves.lost(session);
        session.closeGenerator();
        session.writer.close();
        sessions.remove(session.uid, session);
        session.feed.gone(why);
        if (session.resuming != null) {
            session.resuming.completeExceptionally(new Refusal(Refusal.Kind.UNKNOWN_SESSION, why));
            session.resuming = null;
        }
        session.sent.forEach(
                s ->
                        s.applied()
                                .completeExceptionally(
                                        new Refusal(Refusal.Kind.UNKNOWN_SESSION, why)));
        listener.changed();
    }

    private void shutDown() {
        LOG.info("stopping at a step boundary with {} sessions", sessions.size());
        moves.stop();
        Instant deadline = clock.instant().plus(Duration.ofSeconds(3));
        for (LiveSession session : List.copyOf(sessions.values())) {
            finishDecoding(session);
            session.closeGenerator();
            Duration left = Duration.between(clock.instant(), deadline);
            try {
                session.writer.drain(left.isNegative() ? Duration.ZERO : left);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            session.feed.gone("the worker is stopping");
        }
        List<Runnable> rest = new ArrayList<>();
        mailbox.drainTo(rest);
        rest.forEach(this::run);
        sessions.clear();
        if (engine != null) {
            engine.close();
        }
    }

    // Moves.

    /** What moves see of this loop. */
    private final class Home implements MoveHome {
        @Override
        public void post(Runnable task) {
            mailbox.add(task);
        }

        @Override
        public Optional<LiveSession> session(String uid) {
            return Optional.ofNullable(sessions.get(uid));
        }

        @Override
        public Generators engine() {
            return engine;
        }

        @Override
        public ChunkStore store() {
            return store;
        }

        @Override
        public Clock clock() {
            return clock;
        }

        @Override
        public String worker() {
            return settings.worker();
        }

        @Override
        public Owner.Builder owner() {
            return Owner.newBuilder().setWorker(settings.worker()).setEndpoint(settings.endpoint());
        }

        @Override
        public void adopt(
                Manifest manifest, long epoch, Generator generator, SessionWriter writer) {
            SessionLoop.this.adopt(manifest, epoch, generator, writer);
        }

        @Override
        public void forget(LiveSession session, String why) {
            SessionLoop.this.forget(session, why);
            remember();
        }

        @Override
        public void refresh(LiveSession session) {
            SessionLoop.this.refresh(session);
        }

        @Override
        public void changed() {
            listener.changed();
        }
    }

    private void adopt(Manifest manifest, long epoch, Generator generator, SessionWriter writer) {
        Instant now = clock.instant();
        LiveSession session = new LiveSession(manifest.getSpec(), epoch, writer, now);
        session.generator = generator;
        session.pace = pace(manifest.getSpec(), now);
        Moves.restore(session, manifest);
        session.active = session.pace.active(now);
        session.state = SessionState.SESSION_STATE_RUNNING;
        sessions.put(session.uid, session);
        if (manifest.getSuspended()) {
            suspendNow(session);
        }
        LOG.info(
                "session {} goes on here with epoch {} at chunk {}",
                session.uid,
                epoch,
                session.nextToGenerate);
        recall(session);
        settled(session);
    }

    /** Latents do not travel: what a refresh of the window needs is in the log. */
    private void recall(LiveSession session) {
        List<Long> wanted = session.generator.rebuildSet(session.position());
        session.writer.run(
                () -> {
                    try {
                        List<StoredChunk> chunks = session.writer.chunks(wanted);
                        mailbox.add(
                                () -> {
                                    if (session.generator != null && !session.over()) {
                                        session.generator.recall(chunks);
                                    }
                                });
                    } catch (StoreException e) {
                        LOG.info(
                                "session {}: a refresh will keep the old prompt for a while: {}",
                                session.uid,
                                e.getMessage());
                    }
                });
    }

    // Small things.

    private interface SessionCommand<T> {
        void run(LiveSession session, CompletableFuture<T> answer);
    }

    private CompletableFuture<Standing> command(
            String uid, long epoch, SessionCommand<Standing> command) {
        CompletableFuture<Standing> answer = new CompletableFuture<>();
        post(
                answer,
                () -> {
                    LiveSession session = existing(uid);
                    if (session.epoch != epoch) {
                        throw stale(session, epoch);
                    }
                    command.run(session, answer);
                });
        return answer;
    }

    private void post(CompletableFuture<?> answer, Runnable task) {
        if (stopping) {
            answer.completeExceptionally(
                    new Refusal(Refusal.Kind.UNAVAILABLE, "the worker is stopping"));
            return;
        }
        mailbox.add(() -> answering(answer, task));
    }

    private static void answering(CompletableFuture<?> answer, Runnable task) {
        try {
            task.run();
        } catch (Refusal e) {
            answer.completeExceptionally(e);
        } catch (RuntimeException e) {
            LOG.error("a command failed", e);
            answer.completeExceptionally(
                    new Refusal(Refusal.Kind.UNAVAILABLE, "the worker failed: " + e, e));
        }
    }

    private void whenLoaded(LiveSession session, CompletableFuture<?> answer, Runnable task) {
        session.loaded.whenComplete(
                (ok, error) -> {
                    if (error != null) {
                        answer.completeExceptionally(error);
                    } else {
                        answering(answer, task);
                    }
                });
    }

    private LiveSession existing(String uid) {
        LiveSession session = sessions.get(uid);
        if (session == null) {
            throw new Refusal(
                    Refusal.Kind.UNKNOWN_SESSION,
                    "worker %s has no session %s".formatted(settings.worker(), uid));
        }
        return session;
    }

    private static Refusal stale(LiveSession session, long epoch) {
        return new Refusal(
                Refusal.Kind.STALE,
                "STALE_EPOCH session %s is here with epoch %d, not %d"
                        .formatted(session.uid, session.epoch, epoch));
    }

    private void checkAdmitting() {
        switch (phase) {
            case READY -> {}
            case LOADING ->
                    throw new Refusal(Refusal.Kind.UNAVAILABLE, "the model is still loading");
            case DRAINING ->
                    throw new Refusal(
                            Refusal.Kind.NOT_ADMITTING,
                            "DRAINING worker %s takes no new sessions"
                                    .formatted(settings.worker()));
            case FAILED -> throw new Refusal(Refusal.Kind.NOT_ADMITTING, message);
        }
    }

    /** Refuses what this model cannot do; returns the first chunk's prompt. */
    private String check(SessionSpec spec) {
        if (!spec.getUid().matches("[a-z0-9-]{1,63}")) {
            throw invalid("uid is '%s': write 1 to 63 of a-z, 0-9 and -".formatted(spec.getUid()));
        }
        if (spec.getSeed() < 0) {
            throw invalid("seed is %d: write a number from 0 on".formatted(spec.getSeed()));
        }
        if (spec.getMaxChunks() < 0) {
            throw invalid(
                    "maxChunks is %d: write a number from 1 on, or 0 for no limit"
                            .formatted(spec.getMaxChunks()));
        }
        if (spec.hasFrom() && spec.getFrom().getChunk() < 0) {
            throw invalid(
                    "from.chunk is %d: write the number of the last chunk to take over, 0 or more"
                            .formatted(spec.getFrom().getChunk()));
        }
        if (spec.hasFrom() && spec.getFrom().getSessionUid().equals(spec.getUid())) {
            throw invalid("from.session is the session itself: write that of another");
        }
        check(spec.getControlsList());
        return new ControlTracks(spec.getControlsList()).prompt(0);
    }

    private void check(List<Control> controls) {
        List<String> known = engine.model().controls();
        for (Control control : controls) {
            if (!known.contains(control.getKind())) {
                throw invalid(
                        "control '%s' is not understood by model %s: it understands %s"
                                .formatted(
                                        control.getKind(),
                                        engine.model().name(),
                                        String.join(", ", known)));
            }
            if (control.getKind().equals(ControlTracks.PROMPT) && !control.hasText()) {
                throw invalid("control 'prompt' has no text: write what the video shows");
            }
            if (control.getKind().equals(ControlTracks.NEGATIVE_PROMPT) && !control.hasText()) {
                throw invalid(
                        "control 'negativePrompt' has no text: write what the video does not show");
            }
            if (control.getKind().equals(ControlTracks.REFERENCE)
                    && !ControlTracks.isFirstFrame(control)) {
                throw invalid(
                        "control 'reference' has role '%s': model %s understands %s, the picture that the video begins with"
                                .formatted(
                                        control.getRole(),
                                        engine.model().name(),
                                        ControlTracks.FIRST_FRAME));
            }
            if (control.getKind().equals(ControlTracks.REFERENCE) && !control.hasImage()) {
                throw invalid("control 'reference' has no image: write its uri");
            }
        }
    }

    private static Refusal invalid(String sentence) {
        return new Refusal(Refusal.Kind.INVALID, sentence);
    }

    /** Everything in force at {@code position}, for the chunk that begins there. */
    private static void applyAll(LiveSession session, long position) {
        applyTexts(session, position);
        if (position == 0 && session.firstFrame != null && !session.firstFrameGiven) {
            try {
                session.generator.setFirstFrame(session.firstFrame);
                session.firstFrameGiven = true;
            } catch (InvalidImageException e) {
                throw new Refusal(Refusal.Kind.INVALID, e.getMessage(), e);
            }
        }
    }

    private static void applyTexts(LiveSession session, long position) {
        setTexts(session, session.controls.inForce(position), position);
        setNegativePrompt(session, position);
    }

    /** That of {@code position}, also where none is in force any more. */
    private static void setNegativePrompt(LiveSession session, long position) {
        String text = session.controls.text(ControlTracks.NEGATIVE_PROMPT, position);
        if (session.generator == null || text.equals(session.negativePrompt)) {
            return;
        }
        try {
            session.generator.setNegativePrompt(text);
            session.negativePrompt = text;
        } catch (InvalidPromptException e) {
            throw new Refusal(Refusal.Kind.INVALID, e.getMessage(), e);
        }
    }

    /** Sets the texts for the next chunk that begins, if they are others. */
    private static void setTexts(LiveSession session, List<Control> controls, long position) {
        if (session.generator == null) {
            return;
        }
        try {
            for (Control control : controls) {
                String text = control.getText();
                if (control.getKind().equals(ControlTracks.PROMPT)
                        && !text.equals(session.prompt)
                        && !text.isEmpty()) {
                    // Of one that is older the window has been refreshed already.
                    boolean begins =
                            control.getFromChunk() == position || control.getFromChunk() == 0;
                    session.generator.setPrompt(
                            text,
                            control.getRefresh() && begins
                                    ? PromptSwitch.REFRESH_CACHE
                                    : PromptSwitch.KEEP_CACHE);
                    session.prompt = text;
                } else if (control.getKind().equals(ControlTracks.NEGATIVE_PROMPT)
                        && !text.equals(session.negativePrompt)) {
                    session.generator.setNegativePrompt(text);
                    session.negativePrompt = text;
                }
            }
        } catch (InvalidPromptException e) {
            throw new Refusal(Refusal.Kind.INVALID, e.getMessage(), e);
        }
    }

    /**
     * From when the first chunk after a start counts; used up by it. Clocks may be apart a little.
     */
    private static Instant dueSince(LiveSession session, Instant now) {
        Instant since = session.wantedSince.orElse(now);
        session.wantedSince = Optional.empty();
        Instant earliest = now.minus(LONGEST_COUNTED_WAIT);
        return since.isAfter(now) ? now : since.isBefore(earliest) ? earliest : since;
    }

    private Pace pace(SessionSpec spec, Instant now) {
        return Pace.of(
                spec.getPacing(), settings.pace(), engine.model().chunkIntervalSeconds(), now);
    }

    private static Standing standing(LiveSession session) {
        return new Standing(session.state, session.nextStored);
    }

    private void refresh(LiveSession session) {
        SessionReport report =
                SessionReport.newBuilder()
                        .setSpec(session.spec)
                        .setEpoch(session.epoch)
                        .setState(session.state)
                        .setNextChunk(session.nextStored)
                        .setStateBytes(
                                session.generator == null ? 0 : session.generator.stateBytes())
                        .setActive(session.active)
                        .setLastError(session.lastError)
                        .setRebuildsExactly(rebuildsExactly(session))
                        .build();
        if (!report.equals(session.report)) {
            session.report = report;
            listener.changed();
        }
    }

    /** Replaying the log gives the same bits as long as nothing has left the window. */
    private boolean rebuildsExactly(LiveSession session) {
        return model.map(m -> session.nextToBegin() * m.framesPerChunk() <= m.windowFrames())
                .orElse(false);
    }

    static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }
}
