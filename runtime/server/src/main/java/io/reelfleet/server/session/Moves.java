package io.reelfleet.server.session;

import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.migration.v1.Opening;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.Transport;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.StateMismatchException;
import io.reelfleet.engine.StateRecord;
import io.reelfleet.migration.FencedException;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.MoveProtocol;
import io.reelfleet.migration.protocol.Outcome;
import io.reelfleet.migration.protocol.Reaction;
import io.reelfleet.migration.protocol.WorkerCommand;
import io.reelfleet.migration.protocol.WorkerEvent;
import io.reelfleet.migration.protocol.WorkerState;
import io.reelfleet.migration.transport.C10dBackend;
import io.reelfleet.migration.transport.C10dLink;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.StoreLink;
import io.reelfleet.migration.transport.TransportException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sessions on their way between this worker and others: carries out what {@link MoveProtocol}
 * commands. The engine's thread alone calls it, but for {@link #reports}.
 */
final class Moves {
    private static final Logger LOG = LoggerFactory.getLogger(Moves.class);
    private static final int MOST_REPORTS = 64;
    private static final Duration SHOW_ENDED = Duration.ofSeconds(60);
    private static final long STORE_PAUSE_MILLIS = 200;

    /**
     * Answer to a command of a move.
     *
     * @param outcome empty: it follows in the reports
     */
    record Answer(Optional<Outcome> outcome, String sentence, String host, int port) {}

    private record Ended(MoveReport report, Instant at) {}

    private final MoveProtocol protocol = new MoveProtocol();
    private final MoveHome home;
    private final MoveSettings settings;
    private final Map<String, Outgoing> outgoing = new HashMap<>();
    private final Map<String, Incoming> incoming = new HashMap<>();
    private final Map<String, Ended> ended = new LinkedHashMap<>();

    /** Why a move ended, for its report. */
    private final Map<String, String> reasons = new HashMap<>();

    private volatile List<MoveReport> reports = List.of();

    Moves(MoveHome home, MoveSettings settings) {
        this.home = home;
        this.settings = settings;
    }

    /** Moves under way and those that ended lately. */
    List<MoveReport> reports() {
        return reports;
    }

    // Commands of the operator.

    /** Takes memory for a session and listens for its source. */
    void prepare(
            Move move, SessionSpec spec, Transport transport, CompletableFuture<Answer> answer) {
        String uid = spec.getUid();
        Incoming known = incoming.get(uid);
        if (known != null && !known.move.equals(move)) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s is already on its way here by move %s"
                            .formatted(uid, known.move.id()));
        }
        if (known != null || !(stateOf(uid) instanceof WorkerState.Absent)) {
            apply(uid, move, new WorkerEvent.Prepare(move));
            answer.complete(standing(uid, move));
            return;
        }
        Incoming.Door door;
        int port = 0;
        try {
            if (transport == Transport.TRANSPORT_STORE) {
                door = storeDoor(uid, move);
            } else {
                C10dLink.Listener listener =
                        C10dLink.listen(C10dBackend.GLOO, settings.host(), settings.patience());
                port = listener.port();
                door = directDoor(listener);
            }
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.UNAVAILABLE, e.getMessage(), e);
        }
        Generator generator;
        // Of no weight where there is none (a fork that goes on under the other's): the state
        // brings
        // the one in force along.
        String prompt = new ControlTracks(spec.getControlsList()).prompt(0);
        try {
            generator =
                    home.engine()
                            .open(
                                    new SessionParameters(
                                            uid, spec.getSeed(), prompt.isEmpty() ? "-" : prompt));
        } catch (DoesNotFitException e) {
            door.close();
            throw new Refusal(Refusal.Kind.DOES_NOT_FIT, e.getMessage(), e);
        } catch (InvalidPromptException e) {
            door.close();
            throw new Refusal(Refusal.Kind.INVALID, e.getMessage(), e);
        }
        SessionWriter writer = new SessionWriter(home.store(), uid, home.clock());
        Incoming coming =
                new Incoming(uid, move, generator, writer, opening(uid, move, 0), door, settings);
        incoming.put(uid, coming);
        apply(uid, move, new WorkerEvent.Prepare(move));
        answer.complete(new Answer(Optional.of(Outcome.PREPARED), "", settings.host(), port));
    }

    /** Begins to send a session to where its target listens. */
    void start(
            Move move,
            String uid,
            Transport transport,
            String host,
            int port,
            boolean withoutPrecopy,
            long bytesPerSecond,
            CompletableFuture<Answer> answer) {
        LiveSession session =
                home.session(uid)
                        .orElseThrow(
                                () ->
                                        new Refusal(
                                                Refusal.Kind.UNKNOWN_SESSION,
                                                "worker %s has no session %s"
                                                        .formatted(home.worker(), uid)));
        if (session.rewinding || (session.firstFrame != null && session.position() == 0)) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    session.rewinding
                            ? "session %s is going back to another chunk".formatted(uid)
                            : "session %s has a picture to begin with, which goes into its first chunk here"
                                    .formatted(uid));
        }
        boolean ready =
                session.generator != null
                        && (session.is(SessionState.SESSION_STATE_RUNNING)
                                || session.is(SessionState.SESSION_STATE_SUSPENDED));
        if (!outgoing.containsKey(uid) && !ready) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s has no state here that could be sent".formatted(uid));
        }
        if (!outgoing.containsKey(uid) && stateOf(uid) instanceof WorkerState.Owning(long epoch)) {
            long largest =
                    session.generator.state().records().stream()
                            .mapToLong(StateRecord::bytes)
                            .max()
                            .orElse(1);
            Outgoing.Door door =
                    transport == Transport.TRANSPORT_STORE
                            ? within -> new StoreLink(home.store(), folder(uid, move), false)
                            : within ->
                                    C10dLink.connect(
                                            C10dBackend.GLOO, settings.host(), host, port, within);
            outgoing.put(
                    uid,
                    new Outgoing(
                            session,
                            move,
                            new WorkerState.Owning(epoch),
                            opening(uid, move, Math.max(settings.bufferBytes(), largest)),
                            door,
                            settings,
                            withoutPrecopy,
                            bytesPerSecond));
        }
        apply(uid, move, new WorkerEvent.Start(move));
        answer.complete(standing(uid, move));
    }

    /** Ends a move unless its target owns the session. */
    void cancel(Move move, String uid, CompletableFuture<Answer> answer) {
        ended.remove(move.id());
        reasons.put(move.id(), "cancelled by the operator");
        apply(uid, move, new WorkerEvent.Cancel(move));
        answer.complete(standing(uid, move));
    }

    private Answer standing(String uid, Move move) {
        Ended known = ended.get(move.id());
        if (known == null) {
            boolean listens = incoming.get(uid) != null && incoming.get(uid).move.equals(move);
            return new Answer(
                    listens ? Optional.of(Outcome.PREPARED) : Optional.empty(), "", "", 0);
        }
        Outcome outcome =
                switch (known.report.getOutcome()) {
                    case MOVE_OUTCOME_PREPARED -> Outcome.PREPARED;
                    case MOVE_OUTCOME_COMMITTED -> Outcome.COMMITTED;
                    case MOVE_OUTCOME_KEPT -> Outcome.KEPT;
                    case MOVE_OUTCOME_GONE -> Outcome.GONE;
                    case MOVE_OUTCOME_NOT_HERE, MOVE_OUTCOME_UNSPECIFIED, UNRECOGNIZED ->
                            Outcome.NOT_HERE;
                };
        return new Answer(Optional.of(outcome), known.report.getSentence(), "", 0);
    }

    // What the loop tells.

    /** The session is no longer here, for a reason that has nothing to do with its move. */
    void lost(LiveSession session) {
        Outgoing going = outgoing.get(session.uid);
        boolean decided = going != null && going.state instanceof WorkerState.Absent;
        if (going != null && going.session == session && !decided) {
            outgoing.remove(session.uid);
            going.cancel();
            session.moving = false;
            remember(going.move, session.uid, Outcome.GONE, "the session ended here");
        }
    }

    /** The session is admitted here outside of any move: what was on its way is not wanted. */
    void admitted(String uid) {
        Incoming coming = incoming.get(uid);
        if (coming == null) {
            return;
        }
        if (coming.state instanceof WorkerState.Committing) {
            throw new Refusal(
                    Refusal.Kind.UNAVAILABLE,
                    "session %s is about to be owned here by move %s"
                            .formatted(uid, coming.move.id()));
        }
        reasons.put(coming.move.id(), "the session was admitted here");
        apply(uid, coming.move, new WorkerEvent.Watchdog(coming.move));
    }

    /** Forgets reports that everybody has seen. */
    void keepHouse(Instant now) {
        if (ended.values().removeIf(e -> e.at.plus(SHOW_ENDED).isBefore(now))) {
            publish();
        }
    }

    void stop() {
        outgoing.values().forEach(Outgoing::cancel);
        incoming.values().forEach(Incoming::cancel);
    }

    // The protocol.

    private WorkerState stateOf(String uid) {
        Incoming coming = incoming.get(uid);
        if (coming != null && !coming.adopted) {
            return coming.state;
        }
        Outgoing going = outgoing.get(uid);
        if (going != null) {
            return going.state;
        }
        return home.session(uid)
                .filter(session -> !session.over())
                .<WorkerState>map(session -> new WorkerState.Owning(session.epoch))
                .orElse(new WorkerState.Absent());
    }

    private void apply(String uid, Move move, WorkerEvent event) {
        WorkerState before = stateOf(uid);
        Reaction<WorkerState, WorkerCommand> reaction = protocol.worker(before, event);
        Incoming coming = incoming.get(uid);
        Outgoing going = outgoing.get(uid);
        if (coming != null && coming.move.equals(move)) {
            coming.state = reaction.state();
        } else if (going != null && going.move.equals(move)) {
            going.state = reaction.state();
        }
        if (!before.equals(reaction.state())) {
            LOG.info(
                    "session {}: move {} from {} to {}: {}",
                    uid,
                    move.id(),
                    move.source(),
                    move.target(),
                    reaction.state().getClass().getSimpleName());
        }
        for (WorkerCommand command : reaction.commands()) {
            carryOut(uid, command);
        }
        publish();
    }

    private void carryOut(String uid, WorkerCommand command) {
        switch (command) {
            case WorkerCommand.Reserve _ -> receive(incoming.get(uid));
            case WorkerCommand.Free _ -> {
                // The thread may be writing into its memory: that is freed when it has ended.
                Incoming coming = incoming.remove(uid);
                coming.cancel();
            }
            case WorkerCommand.Copy _ -> send(outgoing.get(uid));
            case WorkerCommand.StopCopying _ -> outgoing.get(uid).cancel();
            case WorkerCommand.FreezeAndSendRest _ -> outgoing.get(uid).session.frozen = true;
            case WorkerCommand.Thaw _ -> outgoing.get(uid).session.frozen = false;
            case WorkerCommand.AppendOwner(Move move) -> appendOwner(incoming.get(uid), move);
            case WorkerCommand.ReadLog(Move move) -> readLog(uid, move);
            case WorkerCommand.Activate(Move move) -> {
                Incoming coming = incoming.remove(uid);
                coming.adopted = true;
                home.adopt(coming.manifest, move.epoch(), coming.generator, coming.writer);
                coming.decided(true, "");
            }
            case WorkerCommand.Drop _ -> {
                Outgoing going = outgoing.get(uid);
                if (going != null) {
                    going.session.moving = false;
                    home.forget(going.session, "moved to " + going.move.target());
                }
            }
            case WorkerCommand.SendVerdict _ -> {
                // Activate and OwnerRefused have told the thread.
            }
            case WorkerCommand.Answer(Move move, Outcome outcome) -> answer(uid, move, outcome);
        }
    }

    private void answer(String uid, Move move, Outcome outcome) {
        Outgoing going = outgoing.get(uid);
        if (going != null
                && going.move.equals(move)
                && !(going.state instanceof WorkerState.Copying)
                && !(going.state instanceof WorkerState.Frozen)
                && !(going.state instanceof WorkerState.Doubting)) {
            going.session.moving = false;
            going.session.frozen = false;
            going.cancel();
            rememberOutgoing(going, uid, outcome);
            outgoing.remove(uid);
            home.session(uid).ifPresent(home::refresh);
            return;
        }
        if (outcome != Outcome.PREPARED) {
            remember(move, uid, outcome, reasons.getOrDefault(move.id(), ""));
        }
    }

    // Source.

    private void send(Outgoing going) {
        String uid = going.session.uid;
        Move move = going.move;
        going.session.moving = true;
        going.start(
                new Outgoing.Listener() {
                    @Override
                    public void post(Runnable task) {
                        home.post(task);
                    }

                    @Override
                    public boolean cut() {
                        apply(uid, move, new WorkerEvent.ReadyToCut(move));
                        return going.session.frozen;
                    }

                    @Override
                    public Manifest.Builder manifest() {
                        return describe(going.session);
                    }

                    @Override
                    public void verdict(boolean committed, String sentence) {
                        home.post(
                                () -> {
                                    if (outgoing.get(uid) == going) {
                                        if (!sentence.isEmpty()) {
                                            reasons.put(move.id(), sentence);
                                        }
                                        WorkerEvent event =
                                                going.state instanceof WorkerState.Copying
                                                        ? new WorkerEvent.LinkFailed(move)
                                                        : new WorkerEvent.Verdict(move, committed);
                                        apply(uid, move, event);
                                    }
                                });
                    }

                    @Override
                    public void failed(String sentence) {
                        home.post(
                                () -> {
                                    if (outgoing.get(uid) == going) {
                                        reasons.putIfAbsent(move.id(), sentence);
                                        LOG.info(
                                                "session {}: move {}: {}",
                                                uid,
                                                move.id(),
                                                sentence);
                                        apply(uid, move, new WorkerEvent.LinkFailed(move));
                                    }
                                });
                    }
                });
    }

    private Manifest.Builder describe(LiveSession session) {
        io.reelfleet.api.migration.v1.Pace.Builder pace = session.pace.save();
        if (session.inChunk) {
            pace.setDue(MoveForms.timestamp(session.due));
        }
        return Manifest.newBuilder()
                .setSpec(session.spec)
                .addAllLiveControls(session.controls.live())
                .setPace(pace)
                .setSuspended(session.is(SessionState.SESSION_STATE_SUSPENDED))
                .setOffloaded(session.offloaded)
                .setReplayed(session.replayed)
                .setFramesReplayed(session.framesReplayed);
    }

    private void readLog(String uid, Move move) {
        Thread.ofVirtual()
                .start(
                        () -> {
                            WorkerEvent event;
                            try {
                                event =
                                        new WorkerEvent.LogRead(
                                                move,
                                                SessionLogReader.atEnd(home.store(), uid)
                                                        .newestOwner()
                                                        .map(LogEntry::getEpoch)
                                                        .orElse(-1L));
                            } catch (StoreException e) {
                                pause();
                                event = new WorkerEvent.LogUnreadable(move);
                            }
                            WorkerEvent known = event;
                            home.post(() -> apply(uid, move, known));
                        });
    }

    // Target.

    private void receive(Incoming coming) {
        String uid = coming.uid;
        Move move = coming.move;
        coming.writer.run(
                () -> {
                    try {
                        coming.writer.open();
                    } catch (StoreException e) {
                        home.post(
                                () -> {
                                    reasons.putIfAbsent(move.id(), e.getMessage());
                                    apply(uid, move, new WorkerEvent.LinkFailed(move));
                                });
                    }
                });
        coming.start(
                new Incoming.Listener() {
                    @Override
                    public void complete(Manifest manifest) {
                        home.post(() -> whole(coming, manifest));
                    }

                    @Override
                    public void failed(String sentence) {
                        home.post(
                                () -> {
                                    if (incoming.get(uid) == coming) {
                                        reasons.putIfAbsent(move.id(), sentence);
                                        LOG.info(
                                                "session {}: move {}: {}",
                                                uid,
                                                move.id(),
                                                sentence);
                                        apply(uid, move, new WorkerEvent.LinkFailed(move));
                                    }
                                });
                    }

                    @Override
                    public void ended() {
                        home.post(
                                () -> {
                                    if (!coming.adopted
                                            && !(coming.state instanceof WorkerState.Committing)) {
                                        if (incoming.get(uid) == coming) {
                                            apply(uid, move, new WorkerEvent.LinkFailed(move));
                                        }
                                        coming.generator.close();
                                        coming.writer.close();
                                        home.changed();
                                    }
                                });
                    }
                });
    }

    /** Everything is here: the session stands where the source's stood, and the commit follows. */
    private void whole(Incoming coming, Manifest manifest) {
        if (incoming.get(coming.uid) != coming) {
            return;
        }
        try {
            coming.importing.finish(
                    MoveForms.position(manifest.getPosition()),
                    manifest.getRecordsList().stream().map(MoveForms::record).toList());
            coming.manifest = manifest;
            apply(coming.uid, coming.move, new WorkerEvent.Complete(coming.move));
        } catch (StateMismatchException e) {
            LOG.warn("session {}: move {}: {}", coming.uid, coming.move.id(), e.getMessage());
            reasons.put(coming.move.id(), e.getMessage());
            coming.decided(false, e.getMessage());
            apply(coming.uid, coming.move, new WorkerEvent.LinkFailed(coming.move));
        }
    }

    private void appendOwner(Incoming coming, Move move) {
        Owner owner =
                home.owner()
                        .setSpec(coming.manifest.getSpec())
                        .setFingerprint(home.engine().fingerprint())
                        .setMove(move.id())
                        .build();
        long chunk = coming.manifest.getPosition().getChunk() + coming.manifest.getReplayed();
        coming.writer.run(
                () -> {
                    WorkerEvent event;
                    String why = "";
                    try {
                        boolean stored = coming.writer.takeOverAt(move.epoch(), owner, chunk);
                        event =
                                stored
                                        ? new WorkerEvent.OwnerStored(move)
                                        : new WorkerEvent.OwnerRefused(move);
                        why = stored ? "" : "the log has gone on since the state was sent";
                    } catch (FencedException e) {
                        why = e.getMessage();
                        event = new WorkerEvent.OwnerRefused(move);
                    } catch (StoreException e) {
                        LOG.warn("session {}: move {}: {}", coming.uid, move.id(), e.getMessage());
                        pause();
                        event = new WorkerEvent.OwnerUnknown(move);
                    }
                    WorkerEvent known = event;
                    String reason = why;
                    home.post(
                            () -> {
                                if (known instanceof WorkerEvent.OwnerRefused) {
                                    reasons.put(move.id(), reason);
                                    coming.decided(false, reason);
                                }
                                apply(coming.uid, move, known);
                            });
                });
    }

    private static void pause() {
        try {
            Thread.sleep(STORE_PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // Small things.

    private Opening opening(String uid, Move move, long bufferBytes) {
        return Opening.newBuilder()
                .setProtocolVersion(MoveSettings.PROTOCOL_VERSION)
                .setStateVersion(io.reelfleet.engine.SessionState.VERSION)
                .setModelRevision(home.engine().model().revision())
                .setFingerprint(home.engine().fingerprint())
                .setSessionUid(uid)
                .setMoveId(move.id())
                .setBufferBytes(bufferBytes)
                .build();
    }

    private static String folder(String uid, Move move) {
        return "sessions/" + uid + "/moves/" + move.id() + "/";
    }

    private Incoming.Door storeDoor(String uid, Move move) {
        StoreLink link = new StoreLink(home.store(), folder(uid, move), true);
        return new Incoming.Door() {
            @Override
            public Link accept(Duration within) {
                return link;
            }

            @Override
            public void close() {
                link.close();
            }
        };
    }

    private static Incoming.Door directDoor(C10dLink.Listener listener) {
        return new Incoming.Door() {
            @Override
            public Link accept(Duration within) throws TransportException {
                return listener.accept(within);
            }

            @Override
            public void close() {
                listener.close();
            }
        };
    }

    private void rememberOutgoing(Outgoing going, String uid, Outcome outcome) {
        MoveReport report =
                report(going, uid)
                        .setOutcome(MoveForms.outcome(outcome))
                        .setSentence(reasons.getOrDefault(going.move.id(), ""))
                        .build();
        remember(going.move, report);
    }

    private void remember(Move move, String uid, Outcome outcome, String sentence) {
        remember(
                move,
                MoveReport.newBuilder()
                        .setMove(MoveForms.move(move, uid))
                        .setOutcome(MoveForms.outcome(outcome))
                        .setSentence(sentence)
                        .build());
    }

    private void remember(Move move, MoveReport report) {
        LOG.info(
                "session {}: move {} ended: {} {} (sent {} bytes while it went on, {} after, {}"
                        + " ms)",
                report.getMove().getSessionUid(),
                move.id(),
                report.getOutcome(),
                report.getSentence(),
                report.getPrecopyBytes(),
                report.getRestBytes(),
                Math.round(report.getPauseS() * 1000));
        ended.remove(move.id());
        ended.put(move.id(), new Ended(report, home.clock().instant()));
        reasons.remove(move.id());
        if (ended.size() > MOST_REPORTS) {
            ended.remove(ended.keySet().iterator().next());
        }
        publish();
    }

    private static MoveReport.Builder report(Outgoing going, String uid) {
        return MoveReport.newBuilder()
                .setMove(MoveForms.move(going.move, uid))
                .setPrecopyBytes(going.precopyBytes)
                .setRestBytes(going.restBytes)
                .setSeconds(going.seconds)
                .setPauseS(going.pauseSeconds);
    }

    private void publish() {
        List<MoveReport> all = new ArrayList<>();
        outgoing.forEach((uid, going) -> all.add(report(going, uid).build()));
        incoming.forEach(
                (uid, coming) ->
                        all.add(
                                MoveReport.newBuilder()
                                        .setMove(MoveForms.move(coming.move, uid))
                                        .build()));
        ended.values().forEach(e -> all.add(e.report));
        reports = List.copyOf(all);
        home.changed();
    }

    /** Live controls and pace of a session that came, as its source had them. */
    static void restore(LiveSession session, Manifest manifest) {
        List<Control> live = manifest.getLiveControlsList();
        session.controls.carry(live);
        session.pace.restore(manifest.getPace());
        session.inChunk = manifest.getPosition().getMidChunk();
        if (manifest.getPace().hasDue()) {
            session.due = MoveForms.instant(manifest.getPace().getDue());
        }
        String pending = manifest.getPosition().getPendingPrompt();
        session.prompt = pending.isEmpty() ? manifest.getPosition().getPromptInForce() : pending;
        session.replayed = manifest.getReplayed();
        session.framesReplayed = manifest.getFramesReplayed();
        session.nextToGenerate = manifest.getPosition().getChunk() + session.replayed;
        session.nextStored = session.nextToGenerate;
        session.offloaded = manifest.getOffloaded();
        session.checksums =
                manifest.getRecordsList().stream()
                        .collect(Collectors.toMap(Record::getName, Function.identity()));
        // Only here, so that nothing above is about a session that is half there.
        session.feed.startsAt(session.nextStored);
    }
}
