package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.migration.v1.Batch;
import io.reelfleet.api.migration.v1.Group;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.migration.v1.Opening;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.api.migration.v1.Verdict;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.Transport;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.SessionState;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.transport.C10dBackend;
import io.reelfleet.migration.transport.C10dLink;
import io.reelfleet.migration.transport.Frames;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.TransferBuffer;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two workers of this process, with the real engine, log and links, move a session live. */
class MovesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String PROMPT = "a red ball moves left";

    @TempDir static Path model;
    @TempDir Path folder;
    private ChunkStore store;
    private Worker a;
    private Worker b;

    private record Worker(String name, SessionLoop loop, Engine engine) {}

    @BeforeAll
    static void write() throws Exception {
        RandomModel.tiny().write(model, 4);
    }

    @BeforeEach
    void start() throws Exception {
        store = ChunkStores.open(folder.toUri().toString());
        a = worker("a", Duration.ofSeconds(10));
        b = worker("b", Duration.ofSeconds(10));
    }

    @AfterEach
    void stop() throws Exception {
        a.loop.stop();
        b.loop.stop();
    }

    private Worker worker(String name, Duration patience) throws Exception {
        return worker(name, patience, store, EngineOptions.defaults());
    }

    private Worker worker(String name, Duration patience, ChunkStore at, EngineOptions options)
            throws Exception {
        Engine engine = Engine.load(ModelFolder.of(model), options);
        SessionLoop loop =
                new SessionLoop(
                        new LoopSettings(
                                name,
                                name + ":1",
                                Duration.ofMillis(750),
                                Duration.ofMinutes(5),
                                new PaceSettings(3, Duration.ofSeconds(10))),
                        // Small pieces, so that a state takes many of them.
                        new MoveSettings(
                                "127.0.0.1", patience, 40_000, 40_000, Duration.ofSeconds(1)),
                        at,
                        () -> new EngineGenerators(engine),
                        Clock.systemUTC(),
                        new LoopListener() {
                            @Override
                            public void changed() {}

                            @Override
                            public void chunkStored(ChunkStat stat) {}

                            @Override
                            public void storeFailed(String sessionUid, String reason) {}
                        });
        loop.start();
        await("a worker", () -> loop.phase() == SessionLoop.Phase.READY);
        return new Worker(name, loop, engine);
    }

    private static SessionSpec spec(String uid, Pacing pacing) {
        return SessionSpec.newBuilder()
                .setUid(uid)
                .setName(uid)
                .setNamespace("default")
                .setSeed(77)
                .setPacing(pacing)
                .addControls(Control.newBuilder().setKind("prompt").setText(PROMPT))
                .build();
    }

    private static <T> T get(CompletableFuture<T> future) throws Exception {
        return future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    private static void await(String what, BooleanSupplier condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("waited for " + what).isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private long stored(String uid) {
        try {
            return SessionLogReader.atEnd(store, uid).nextChunk();
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    private void chunks(String uid, long count) throws Exception {
        await(count + " chunks", () -> stored(uid) >= count);
    }

    private Move move(String id, String uid, Worker from, Worker to, long epoch) {
        return Move.newBuilder()
                .setId(id)
                .setSessionUid(uid)
                .setSource(from.name)
                .setTarget(to.name)
                .setEpoch(epoch)
                .build();
    }

    private MoveResponse prepare(Worker to, Move move, SessionSpec spec, Transport transport)
            throws Exception {
        return get(
                to.loop.prepareMove(
                        PrepareMoveRequest.newBuilder()
                                .setMove(move)
                                .setSpec(spec)
                                .setTransport(transport)
                                .build()));
    }

    private MoveResponse start(Worker from, Move move, MoveResponse place, Transport transport)
            throws Exception {
        return get(
                from.loop.startMove(
                        StartMoveRequest.newBuilder()
                                .setHeader(CommandHeader.newBuilder().setEpoch(move.getEpoch() - 1))
                                .setMove(move)
                                .setTransport(transport)
                                .setHost(place.getHost())
                                .setPort(place.getPort())
                                .build()));
    }

    private MoveReport ended(Worker worker, String id) throws Exception {
        await(
                "the end of move " + id + " at " + worker.name,
                () -> report(worker, id).map(MoveReport::getOutcomeValue).orElse(0) > 1);
        return report(worker, id).orElseThrow();
    }

    private static Optional<MoveReport> report(Worker worker, String id) {
        return worker.loop.moves().stream().filter(r -> r.getMove().getId().equals(id)).findFirst();
    }

    private MoveReport moved(String id, String uid, Worker from, Worker to, long epoch)
            throws Exception {
        return moved(id, uid, from, to, epoch, Transport.TRANSPORT_DIRECT);
    }

    private MoveReport moved(
            String id, String uid, Worker from, Worker to, long epoch, Transport transport)
            throws Exception {
        Move move = move(id, uid, from, to, epoch);
        MoveResponse place = prepare(to, move, spec(uid, Pacing.PACING_UNPACED), transport);
        assertThat(place.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_PREPARED);
        start(from, move, place, transport);
        assertThat(ended(to, id).getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_COMMITTED);
        MoveReport report = ended(from, id);
        assertThat(report.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_GONE);
        return report;
    }

    /** The oracle: chunk by chunk the bits of a session that nothing happened to. */
    private void assertUndisturbed(String uid) throws Exception {
        assertUndisturbed(uid, List.of());
    }

    private void assertUndisturbed(String uid, List<Control> inForce) throws Exception {
        List<LogEntry> log = SessionLogReader.fromStart(store, uid).pollAll();
        List<Chunk> chunks =
                log.stream().filter(LogEntry::hasChunk).map(LogEntry::getChunk).toList();
        try (Engine engine = Engine.load(ModelFolder.of(model), EngineOptions.defaults());
                EngineSession session = engine.open(new SessionParameters(uid, 77, PROMPT))) {
            String prompt = PROMPT;
            for (int k = 0; k < chunks.size(); k++) {
                assertThat(chunks.get(k).getChunk()).as("gapless and once").isEqualTo(k);
                String now = ControlTracks.prompt(chunks.get(k).getControlsList());
                if (!now.equals(prompt)) {
                    session.setPrompt(now);
                    prompt = now;
                }
                while (!session.step()) {
                    // one denoising step at a time
                }
                GeneratedChunk expected = session.takeChunk();
                assertThat(chunks.get(k).getLatents().getData().toByteArray())
                        .as("chunk %d of %s", k, uid)
                        .isEqualTo(expected.latents().float32LittleEndian());
            }
        }
    }

    private void assertNothingLeft(Worker worker) throws Exception {
        await("memory of worker " + worker.name, () -> worker.engine.openSessions() == 0);
        assertThat(worker.engine.pagesUsed()).isZero();
    }

    @Test
    void movedBackAndForthWhileItStreamsItKeepsEveryBit() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        // The window holds three chunks, so it has rolled.
        chunks("s", 5);
        MoveReport there = moved("m1", "s", a, b, 2);
        assertThat(there.getPrecopyBytes()).isPositive();
        assertThat(there.getPauseS()).isPositive();
        assertNothingLeft(a);
        chunks("s", stored("s") + 2);
        Control other =
                Control.newBuilder().setKind("prompt").setText("a blue square moves right").build();
        get(b.loop.control("s", List.of(other)));
        moved("m2", "s", b, a, 3);
        assertNothingLeft(b);
        chunks("s", stored("s") + 4);
        moved("m3", "s", a, b, 4, Transport.TRANSPORT_STORE);
        chunks("s", stored("s") + 3);
        get(b.loop.release("s", 4, true, "Completed", ""));
        assertUndisturbed("s");
        List<LogEntry> log = SessionLogReader.fromStart(store, "s").pollAll();
        assertThat(log.stream().filter(LogEntry::hasOwner).map(LogEntry::getEpoch))
                .containsExactly(1L, 2L, 3L, 4L);
        assertThat(
                        log.stream()
                                .filter(LogEntry::hasChunk)
                                .map(e -> ControlTracks.prompt(e.getChunk().getControlsList()))
                                .distinct())
                .containsExactly(PROMPT, "a blue square moves right");
        assertThat(store.list("sessions/s/moves/")).isEmpty();
        assertNothingLeft(b);
    }

    @Test
    void aSuspendedSessionMovesAndStaysSuspended() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        chunks("s", 5);
        get(a.loop.suspend("s", 1));
        moved("m1", "s", a, b, 2);
        assertNothingLeft(a);
        long before = stored("s");
        get(b.loop.resume("s", 2, Optional.empty()));
        chunks("s", before + 2);
        get(b.loop.release("s", 2, true, "Completed", ""));
        assertUndisturbed("s");
    }

    @Test
    void aTargetThatNobodyCallsGivesItsMemoryBackAndTheSourceGoesOn() throws Exception {
        Worker hasty = worker("c", Duration.ofMillis(500));
        try {
            get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
            chunks("s", 1);
            Move move = move("m1", "s", a, hasty, 2);
            prepare(hasty, move, spec("s", Pacing.PACING_UNPACED), Transport.TRANSPORT_DIRECT);
            assertThat(ended(hasty, "m1").getOutcome())
                    .isEqualTo(MoveOutcome.MOVE_OUTCOME_NOT_HERE);
            assertNothingLeft(hasty);
            // Its place is no longer there.
            MoveResponse place = MoveResponse.newBuilder().setHost("127.0.0.1").setPort(9).build();
            Worker brief = worker("d", Duration.ofMillis(500));
            try {
                get(
                        brief.loop.admit(
                                spec("t", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
                chunks("t", 1);
                start(brief, move("m2", "t", brief, a, 2), place, Transport.TRANSPORT_DIRECT);
                MoveReport kept = ended(brief, "m2");
                assertThat(kept.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
                assertThat(kept.getSentence()).contains("no connection");
                chunks("t", stored("t") + 2);
                get(brief.loop.release("t", 1, true, "Completed", ""));
                assertUndisturbed("t");
            } finally {
                brief.loop.stop();
            }
            chunks("s", stored("s") + 2);
            get(a.loop.release("s", 1, true, "Completed", ""));
            assertUndisturbed("s");
        } finally {
            hasty.loop.stop();
        }
    }

    @Test
    void cancelledItStaysAndRepeatedCommandsAnswerTheSame() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        chunks("s", 2);
        Move move = move("m1", "s", a, b, 2);
        SessionSpec spec = spec("s", Pacing.PACING_UNPACED);
        assertThat(prepare(b, move, spec, Transport.TRANSPORT_DIRECT).getOutcome())
                .isEqualTo(MoveOutcome.MOVE_OUTCOME_PREPARED);
        assertThat(get(b.loop.cancelMove(move)).getOutcome())
                .isEqualTo(MoveOutcome.MOVE_OUTCOME_NOT_HERE);
        assertThat(get(b.loop.cancelMove(move)).getOutcome())
                .isEqualTo(MoveOutcome.MOVE_OUTCOME_NOT_HERE);
        assertThat(get(a.loop.cancelMove(move)).getOutcome())
                .isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
        moved("m2", "s", a, b, 2);
        Move again = move("m2", "s", a, b, 2);
        assertThat(get(b.loop.cancelMove(again)).getOutcome())
                .isEqualTo(MoveOutcome.MOVE_OUTCOME_COMMITTED);
        assertThatThrownBy(
                        () ->
                                start(
                                        a,
                                        again,
                                        MoveResponse.getDefaultInstance(),
                                        Transport.TRANSPORT_DIRECT))
                .hasMessageContaining("has no session s");
        chunks("s", stored("s") + 1);
        get(b.loop.release("s", 2, true, "Completed", ""));
        assertUndisturbed("s");
        assertNothingLeft(b);
    }

    @Test
    void aTargetThatTakesNoSessionsRefusesAndTheSourceGoesOn() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        get(b.loop.drain("draining"));
        Move move = move("m1", "s", a, b, 2);
        assertThatThrownBy(
                        () ->
                                prepare(
                                        b,
                                        move,
                                        spec("s", Pacing.PACING_UNPACED),
                                        Transport.TRANSPORT_DIRECT))
                .hasMessageContaining("takes no new sessions");
        chunks("s", 2);
    }

    /** Somebody between a source and its target, who passes on what it likes. */
    private interface Between {
        void goes(Frames source, Frames target) throws Exception;
    }

    /** Orders a move of session s from a to b, with somebody between the two. */
    private void moveBy(String id, Between between) throws Exception {
        Move move = move(id, "s", a, b, 2);
        MoveResponse place =
                prepare(b, move, spec("s", Pacing.PACING_UNPACED), Transport.TRANSPORT_DIRECT);
        try (C10dLink.Listener middle = C10dLink.listen(C10dBackend.GLOO, "127.0.0.1", PATIENCE)) {
            start(
                    a,
                    move,
                    MoveResponse.newBuilder().setHost("127.0.0.1").setPort(middle.port()).build(),
                    Transport.TRANSPORT_DIRECT);
            try (Frames source = new Frames(middle.accept(PATIENCE));
                    Frames target =
                            new Frames(
                                    C10dLink.connect(
                                            C10dBackend.GLOO,
                                            "127.0.0.1",
                                            "127.0.0.1",
                                            place.getPort(),
                                            PATIENCE))) {
                between.goes(source, target);
            }
        }
    }

    /** What a source really opens with, changed on its way to the target. */
    private void assertRefused(String id, UnaryOperator<Opening> change, String sentence)
            throws Exception {
        moveBy(
                id,
                (source, target) -> {
                    Opening real = Opening.parseFrom(source.receive(PATIENCE).message());
                    target.send(Frames.Kind.OPENING, change.apply(real), PATIENCE);
                    Verdict verdict = Verdict.parseFrom(target.receive(PATIENCE).message());
                    assertThat(verdict.getCommitted()).isFalse();
                    assertThat(verdict.getSentence()).contains(sentence);
                });
        MoveReport refused = ended(b, id);
        assertThat(refused.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_NOT_HERE);
        assertThat(refused.getSentence()).contains(sentence);
        assertThat(ended(a, id).getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
        assertNothingLeft(b);
        chunks("s", stored("s") + 1);
    }

    @Test
    void aStateOfAnotherModelVersionOrMoveIsRefusedAndTheSourceGoesOn() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        chunks("s", 1);
        assertRefused(
                "m1",
                o -> o.toBuilder().setModelRevision("another").build(),
                "the state is of model revision another, this worker has ");
        assertRefused(
                "m2",
                o -> o.toBuilder().setStateVersion(o.getStateVersion() + 1).build(),
                "state version %d, this worker takes".formatted(SessionState.VERSION + 1));
        assertRefused(
                "m3",
                o -> o.toBuilder().setMoveId("a stranger's").build(),
                "what came is not the session that was announced");
        get(a.loop.release("s", 1, true, "Completed", ""));
        assertUndisturbed("s");
    }

    @Test
    void aTargetThatTakesTheCallAndThenSaysNothingIsGivenUpAndTheSourceGoesOn() throws Exception {
        Worker brief = worker("c", Duration.ofMillis(500));
        try (C10dLink.Listener silent = C10dLink.listen(C10dBackend.GLOO, "127.0.0.1", PATIENCE)) {
            get(brief.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
            chunks("s", 1);
            start(
                    brief,
                    move("m1", "s", brief, b, 2),
                    MoveResponse.newBuilder().setHost("127.0.0.1").setPort(silent.port()).build(),
                    Transport.TRANSPORT_DIRECT);
            try (Link _ = silent.accept(PATIENCE)) {
                MoveReport kept = ended(brief, "m1");
                assertThat(kept.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
                assertThat(kept.getSentence()).contains("Timed out");
            }
            chunks("s", stored("s") + 2);
            get(brief.loop.release("s", 1, true, "Completed", ""));
            assertUndisturbed("s");
        } finally {
            brief.loop.stop();
        }
    }

    /** Passes on what the source says, with one record's checksum changed, up to the verdict. */
    private static Verdict withAWrongChecksum(Frames source, Frames target) throws Exception {
        target.send(
                Frames.Kind.OPENING,
                Opening.parseFrom(source.receive(PATIENCE).message()),
                PATIENCE);
        while (true) {
            Frames.Frame frame = source.receive(PATIENCE);
            if (frame.kind() == Frames.Kind.MANIFEST) {
                Manifest.Builder manifest = Manifest.parseFrom(frame.message()).toBuilder();
                Record.Builder last = manifest.getRecordsBuilder(manifest.getRecordsCount() - 1);
                last.setCrc32C(last.getCrc32C() + 1);
                target.send(Frames.Kind.MANIFEST, manifest.build(), PATIENCE);
                Verdict verdict = Verdict.parseFrom(target.receive(PATIENCE).message());
                source.send(Frames.Kind.VERDICT, verdict, PATIENCE);
                return verdict;
            }
            Batch batch = Batch.parseFrom(frame.message());
            target.send(Frames.Kind.BATCH, batch, PATIENCE);
            int at = 0;
            for (Group group : batch.getGroupsList()) {
                long bytes =
                        batch.getRecordsList().subList(at, at + group.getRecords()).stream()
                                .mapToLong(Record::getBytes)
                                .sum();
                at += group.getRecords();
                long part = bytes / group.getParts();
                try (TransferBuffer piece = new TransferBuffer(part)) {
                    for (int i = 0; i < group.getParts(); i++) {
                        source.link().receive(piece, part, PATIENCE);
                        target.link().send(piece, part, PATIENCE);
                    }
                }
            }
            if (!batch.getLast()) {
                source.send(
                        Frames.Kind.VERDICT,
                        Verdict.parseFrom(target.receive(PATIENCE).message()),
                        PATIENCE);
            }
        }
    }

    @Test
    void aRecordThatCameWithAWrongChecksumIsRefusedAndTheSourceGoesOn() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        chunks("s", 2);
        moveBy(
                "m1",
                (source, target) -> {
                    Verdict verdict = withAWrongChecksum(source, target);
                    assertThat(verdict.getCommitted()).isFalse();
                    assertThat(verdict.getSentence())
                            .startsWith("record ")
                            .endsWith(" came with a wrong checksum");
                    // Both have it: the line may close.
                    assertThat(ended(b, "m1").getOutcome())
                            .isEqualTo(MoveOutcome.MOVE_OUTCOME_NOT_HERE);
                    MoveReport kept = ended(a, "m1");
                    assertThat(kept.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
                    assertThat(kept.getSentence()).isEqualTo(verdict.getSentence());
                });
        assertNothingLeft(b);
        chunks("s", stored("s") + 2);
        get(a.loop.release("s", 1, true, "Completed", ""));
        assertUndisturbed("s");
    }

    @Test
    void aTargetWithoutMemoryRefusesBeforeAnythingIsSentAndTheSourceGoesOn() throws Exception {
        long empty = b.engine.deviceBytesUsed();
        long one;
        try (EngineSession _ = b.engine.open(new SessionParameters("x", 1, PROMPT))) {
            one = b.engine.deviceBytesUsed() - empty;
        }
        Worker full =
                worker(
                        "c",
                        Duration.ofSeconds(10),
                        store,
                        EngineOptions.defaults().withDeviceMemory(empty + one + one / 2));
        try {
            get(
                    full.loop.admit(
                            spec("other", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
            get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
            chunks("s", 1);
            assertThatThrownBy(
                            () ->
                                    prepare(
                                            full,
                                            move("m1", "s", a, full, 2),
                                            spec("s", Pacing.PACING_UNPACED),
                                            Transport.TRANSPORT_DIRECT))
                    .hasMessageContaining("session s needs ")
                    .hasMessageContaining("raise the limit or free sessions");
            chunks("s", stored("s") + 2);
            chunks("other", stored("other") + 2);
            get(a.loop.release("s", 1, true, "Completed", ""));
            assertUndisturbed("s");
        } finally {
            full.loop.stop();
        }
    }

    @Test
    void aStoreThatRefusesTheCommitLeavesTheSessionWithItsSource() throws Exception {
        AtomicBoolean refuses = new AtomicBoolean(true);
        ChunkStore forbidding =
                new ChunkStore() {
                    @Override
                    public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
                        if (refuses.get() && key.startsWith("sessions/s/log/")) {
                            throw new StoreException(
                                    "the store answers 403 (AccessDenied) to a PUT of " + key);
                        }
                        return store.createIfAbsent(key, bytes);
                    }

                    @Override
                    public Optional<byte[]> read(String key) throws StoreException {
                        return store.read(key);
                    }

                    @Override
                    public List<String> list(String prefix) throws StoreException {
                        return store.list(prefix);
                    }

                    @Override
                    public void delete(String prefix) throws StoreException {
                        store.delete(prefix);
                    }

                    @Override
                    public String location() {
                        return store.location();
                    }
                };
        Worker brief = worker("c", Duration.ofMillis(800));
        Worker kept = worker("d", Duration.ofSeconds(10), forbidding, EngineOptions.defaults());
        try {
            get(brief.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
            chunks("s", 2);
            Move move = move("m1", "s", brief, kept, 2);
            MoveResponse place =
                    prepare(
                            kept,
                            move,
                            spec("s", Pacing.PACING_UNPACED),
                            Transport.TRANSPORT_DIRECT);
            start(brief, move, place, Transport.TRANSPORT_DIRECT);

            assertThat(ended(brief, "m1").getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
            chunks("s", stored("s") + 2);
            refuses.set(false);
            MoveReport late = ended(kept, "m1");
            assertThat(late.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_NOT_HERE);
            assertThat(late.getSentence())
                    .isEqualTo("the log has gone on since the state was sent");
            assertNothingLeft(kept);
            get(brief.loop.release("s", 1, true, "Completed", ""));
            assertUndisturbed("s");
        } finally {
            brief.loop.stop();
            kept.loop.stop();
        }
    }

    @Test
    void strangersAtTheDataPortHinderNothing() throws Exception {
        get(a.loop.admit(spec("s", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()));
        chunks("s", 1);
        Move move = move("m1", "s", a, b, 2);
        MoveResponse place =
                prepare(b, move, spec("s", Pacing.PACING_UNPACED), Transport.TRANSPORT_DIRECT);
        byte[] garbage = new byte[4096];
        new Random(3).nextBytes(garbage);
        try (Socket silent = new Socket(place.getHost(), place.getPort());
                Socket loud = new Socket(place.getHost(), place.getPort())) {
            loud.getOutputStream().write(garbage);
            loud.getOutputStream().flush();
            start(a, move, place, Transport.TRANSPORT_DIRECT);
            assertThat(ended(b, "m1").getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_COMMITTED);
            assertThat(ended(a, "m1").getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_GONE);
            assertThat(silent.isConnected()).isTrue();
        }
        chunks("s", stored("s") + 1);
        get(b.loop.release("s", 2, true, "Completed", ""));
        assertUndisturbed("s");
    }
}
