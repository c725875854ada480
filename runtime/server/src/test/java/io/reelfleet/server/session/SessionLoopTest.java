package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.ModelException;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.StoreFullException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SessionLoopTest {

    @TempDir Path folder;
    private final FakeGenerators engine = new FakeGenerators();
    private final List<ChunkStat> stats = new CopyOnWriteArrayList<>();
    private final List<SessionLoop> loops = new ArrayList<>();
    private FlakyStore store;
    private SessionLoop loop;

    @BeforeEach
    void start() throws Exception {
        store = new FlakyStore(ChunkStores.open(folder.toUri().toString()));
        loop = loop("w1", Duration.ofMinutes(5));
    }

    @AfterEach
    void stop() throws Exception {
        for (SessionLoop each : loops) {
            each.stop();
        }
        assertThat(engine.open.get()).as("sessions left in the engine").isZero();
    }

    @Test
    void sessionsThatAreDueTogetherShareTheirSteps() throws Exception {
        engine.cap = 3;
        loop = loop("batching", Duration.ofMinutes(5));
        for (int i = 0; i < 4; i++) {
            admit("together-" + i, 1, Pacing.PACING_UNPACED);
        }
        for (int i = 0; i < 4; i++) {
            chunks("together-" + i, 5);
            assertUndisturbed("together-" + i, 1);
        }
        // How often they meet is the store's doing: each waits for its own chunks to be written.
        await(() -> engine.batches.containsAll(List.of(2, 3)));
        assertThat(List.copyOf(engine.batches)).allMatch(size -> size <= 3);
    }

    @Test
    void waitingForAWorkerCountsInTheFirstChunksLatencyAndInNoOther() throws Exception {
        Instant wantedSince = Instant.now().minusSeconds(5);
        get(
                loop.admit(
                        spec("waited", Pacing.PACING_REALTIME),
                        1,
                        1,
                        false,
                        Optional.of(wantedSince)));
        chunks("waited", 2);

        List<Chunk> stored = SessionLogReader.atEnd(store, "waited").newestChunks(2);
        assertThat(stored.get(0).getLatencyS()).isGreaterThan(5);
        assertThat(stored.get(0).getLate()).isTrue();
        assertThat(stored.get(1).getLatencyS()).isLessThan(5);
    }

    @Test
    void aFullStoreMakesItsSessionWaitAndLosesNothing() throws Exception {
        admit("full", 1, Pacing.PACING_UNPACED);
        admit("fine", 1, Pacing.PACING_UNPACED);
        chunks("full", 3);
        store.full = "sessions/full/";

        SessionReport waiting = report("full", r -> !r.getLastError().isEmpty());
        assertThat(waiting.getLastError())
                .contains("disk under the chunk store")
                .contains("is full");
        assertThat(waiting.getState()).isEqualTo(SessionState.SESSION_STATE_RUNNING);
        long stuck = nextChunk("full");
        chunks("fine", nextChunk("fine") + 20);
        assertThat(nextChunk("full")).isEqualTo(stuck);

        store.full = "nothing";
        chunks("full", stuck + 5);
        assertThat(report("full", r -> r.getLastError().isEmpty())).isNotNull();
        assertUndisturbed("full", 1);
    }

    @Test
    void aStoreThatStallsMakesItsSessionWaitAndLosesNothing() throws Exception {
        admit("stalled", 1, Pacing.PACING_UNPACED);
        admit("fine", 1, Pacing.PACING_UNPACED);
        chunks("stalled", 3);
        store.stall("sessions/stalled/");
        store.awaitStalled();

        long stuck = nextChunk("stalled");
        chunks("fine", nextChunk("fine") + 20);
        assertThat(nextChunk("stalled")).as("nothing is shown that is not stored").isEqualTo(stuck);
        assertThat(report("stalled", r -> true).getState())
                .isEqualTo(SessionState.SESSION_STATE_RUNNING);

        store.goOn();
        chunks("stalled", stuck + 5);
        assertUndisturbed("stalled", 1);
    }

    @Test
    void sessionsOfOneSeedAreEqualWhateverHappensToThem() throws Exception {
        admit("suspended", 4, Pacing.PACING_UNPACED);
        chunks("suspended", 2);
        get(loop.suspend("suspended", 4));
        assertThat(engine.open.get()).isZero();
        get(loop.resume("suspended", 4, Optional.empty()));
        chunks("suspended", 5);
        engine.hostFull = true;
        get(loop.suspend("suspended", 4));
        assertThat(engine.open.get()).as("state dropped").isZero();
        assertThat(report("suspended", r -> r.getStateBytes() == 0).getState())
                .isEqualTo(SessionState.SESSION_STATE_SUSPENDED);
        get(loop.resume("suspended", 4, Optional.empty()));
        chunks("suspended", nextChunk("suspended") + 3);
        engine.hostFull = false;
        engine.givenUp = "suspended";
        get(loop.suspend("suspended", 4));
        get(loop.resume("suspended", 4, Optional.empty()));
        chunks("suspended", nextChunk("suspended") + 3);
        SessionLoop other = loop("w2", Duration.ofMinutes(5));
        get(other.admit(spec("suspended", Pacing.PACING_UNPACED), 5, 1, false, Optional.empty()));
        report("suspended", r -> r.getLastError().startsWith("FENCED"));
        chunks("suspended", nextChunk("suspended") + 3);

        assertUndisturbed("suspended", 1);
    }

    @Test
    void whileAStateComesBackTheOthersGoOn() throws Exception {
        admit("away", 1, Pacing.PACING_UNPACED);
        admit("stays", 1, Pacing.PACING_UNPACED);
        chunks("away", 2);
        get(loop.suspend("away", 1));
        engine.copying = true;
        CompletableFuture<SessionLoop.Standing> resumed = loop.resume("away", 1, Optional.empty());
        report("away", r -> r.getState() == SessionState.SESSION_STATE_LOADING);
        chunks("stays", nextChunk("stays") + 5);
        assertThat(resumed).isNotDone();
        engine.copying = false;
        assertThat(get(resumed).state()).isEqualTo(SessionState.SESSION_STATE_RUNNING);
        chunks("away", nextChunk("away") + 3);

        get(loop.suspend("away", 1));
        engine.copying = true;
        CompletableFuture<SessionLoop.Standing> again = loop.resume("away", 1, Optional.empty());
        assertThat(get(loop.suspend("away", 1)).state())
                .as("told to leave on its way back")
                .isEqualTo(SessionState.SESSION_STATE_SUSPENDED);
        assertThat(again).isDone();
        assertUndisturbed("away", 1);
    }

    @Test
    void whatWillBeResumedSoonIsBroughtNear() throws Exception {
        admit("watched", 1, Pacing.PACING_VIEWER);
        get(loop.suspend("watched", 1));
        assertThat(engine.prefetched).isEmpty();
        get(loop.heartbeat("watched", "v", 0));
        await(() -> engine.prefetched.contains("watched"));
    }

    @Test
    void theNextChunkBeginsWhileTheLastIsDecodedAndBothAreStoredInOrder() throws Exception {
        engine.decoding = new CompletableFuture<>();
        admit("decoding", 1, Pacing.PACING_UNPACED);
        // Two chunks may wait; a third does not begin.
        await(() -> engine.batches.size() == 2 * FakeGenerators.STEPS);
        assertThat(nextChunk("decoding")).isZero();
        engine.decoding.complete(null);
        chunks("decoding", 4);
        get(loop.release("decoding", 1, false, "", ""));
        assertUndisturbed("decoding", 1);
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeItTakesTheSession() throws Exception {
        engine.most = 1;
        admit("first", 1, Pacing.PACING_REALTIME);

        assertRefused(
                loop.admit(spec("second", Pacing.PACING_REALTIME), 1, 1, false, Optional.empty()),
                Refusal.Kind.DOES_NOT_FIT,
                "session second does not fit");
        assertThat(SessionLogReader.atEnd(store, "second").size()).isZero();
        assertThat(loop.sessions()).hasSize(1);
        assertThat(
                        get(loop.admit(
                                        spec("third", Pacing.PACING_REALTIME),
                                        1,
                                        1,
                                        true,
                                        Optional.empty()))
                                .nextChunk())
                .as("admitted suspended it needs no room")
                .isZero();
        assertRefused(
                loop.resume("third", 1, Optional.empty()),
                Refusal.Kind.DOES_NOT_FIT,
                "does not fit");
        get(loop.suspend("first", 1));
        get(loop.resume("third", 1, Optional.empty()));
        chunks("third", 1);
    }

    @Test
    void anIdleSessionLeavesTheDeviceAndComesBackWithItsViewer() throws Exception {
        SessionLoop impatient = loop("w3", Duration.ofMillis(50));
        get(impatient.admit(spec("idle", Pacing.PACING_VIEWER), 1, 1, false, Optional.empty()));
        report("idle", r -> r.getState() == SessionState.SESSION_STATE_SUSPENDED);
        assertThat(engine.open.get()).isZero();
        assertThat(nextChunk("idle")).isZero();

        get(impatient.heartbeat("idle", "v", 0));
        chunks("idle", 3);
        assertThat(report("idle", SessionReport::getActive).getState())
                .isEqualTo(SessionState.SESSION_STATE_RUNNING);
        report("idle", r -> !r.getActive());
        report("idle", r -> r.getState() == SessionState.SESSION_STATE_SUSPENDED);
    }

    @Test
    void anEngineErrorEndsOneSessionHereAndLeavesItsLogOpen() throws Exception {
        admit("unlucky", 1, Pacing.PACING_UNPACED);
        admit("lucky", 1, Pacing.PACING_UNPACED);
        chunks("unlucky", 1);
        engine.failsOn = "unlucky";

        SessionReport failed =
                report("unlucky", r -> r.getState() == SessionState.SESSION_STATE_FAILED);
        assertThat(failed.getLastError()).contains("out of luck");
        chunks("lucky", nextChunk("lucky") + 3);
        assertThat(SessionLogReader.atEnd(store, "unlucky").end()).isEmpty();
        engine.failsOn = "";
        get(loop.admit(spec("unlucky", Pacing.PACING_UNPACED), 2, 1, false, Optional.empty()));
        chunks("unlucky", nextChunk("unlucky") + 2);
        assertUndisturbed("unlucky", 1);
    }

    @Test
    void limitsCompleteASessionAndAnEndedOneIsNotGenerated() throws Exception {
        get(
                loop.admit(
                        spec("short", Pacing.PACING_UNPACED).toBuilder()
                                .setMaxDuration(
                                        com.google.protobuf.Duration.newBuilder()
                                                .setNanos(200_000_000))
                                .build(),
                        1,
                        1,
                        false,
                        Optional.empty()));

        report("short", r -> r.getState() == SessionState.SESSION_STATE_COMPLETED);
        // At 160 frames/s: 9 + 12 + 12 frames are the first to reach 0.2 s.
        assertThat(nextChunk("short")).isEqualTo(3);
        get(loop.release("short", 1, false, "", ""));
        assertThat(
                        get(loop.admit(
                                        spec("short", Pacing.PACING_UNPACED),
                                        2,
                                        1,
                                        false,
                                        Optional.empty()))
                                .nextChunk())
                .isEqualTo(3);
        report("short", r -> r.getState() == SessionState.SESSION_STATE_COMPLETED);
        assertThat(SessionLogReader.atEnd(store, "short").size())
                .as("no second owner")
                .isEqualTo(5);
    }

    @Test
    void aLivePromptIsTakenOverByTheNextOwnerAndAChangedSpecWins() throws Exception {
        admit("steered", 1, Pacing.PACING_UNPACED);
        chunks("steered", 2);
        SessionLoop.Controlled controlled =
                get(loop.control("steered", List.of(prompt("a blue square"))));
        assertThat(get(controlled.applied())).isEqualTo(controlled.chunk());
        get(loop.release("steered", 1, false, "", ""));

        get(loop.admit(spec("steered", Pacing.PACING_UNPACED), 2, 1, false, Optional.empty()));
        long taken = nextChunk("steered");
        chunks("steered", taken + 2);
        assertThat(promptOf("steered", taken + 1)).isEqualTo("a blue square");

        SessionSpec changed =
                spec("steered", Pacing.PACING_UNPACED).toBuilder()
                        .setControls(0, prompt("a green ball"))
                        .build();
        get(loop.update("steered", 2, changed));
        long updated = nextChunk("steered");
        chunks("steered", updated + 4);
        assertThat(promptOf("steered", updated + 3)).isEqualTo("a green ball");
        assertRefused(
                loop.control("steered", List.of(prompt("x".repeat(101)))),
                Refusal.Kind.INVALID,
                "more than 16 tokens");
        assertRefused(
                loop.update("steered", 2, changed.toBuilder().setSeed(9).build()),
                Refusal.Kind.INVALID,
                "seed of session steered cannot change");
    }

    @Test
    void suspendedTimeIsNotLateness() throws Exception {
        admit("paced", 1, Pacing.PACING_REALTIME);
        chunks("paced", 2);
        get(loop.suspend("paced", 1));
        // Thirteen intervals of 75 ms pass.
        CompletableFuture.runAsync(() -> {}, CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS))
                .join();
        get(loop.resume("paced", 1, Optional.empty()));
        long resumed = nextChunk("paced");
        chunks("paced", resumed + 4);

        assertThat(stats)
                .filteredOn(s -> s.getSessionUid().equals("paced") && s.getChunk() >= resumed)
                .allSatisfy(s -> assertThat(s.getLatencyS()).isLessThan(0.9));
    }

    @Test
    void aDrainingWorkerKeepsWhatItHasAndTakesNothingNew() throws Exception {
        admit("kept", 1, Pacing.PACING_UNPACED);
        get(loop.drain("draining"));

        assertThat(loop.phase()).isEqualTo(SessionLoop.Phase.DRAINING);
        assertRefused(
                loop.admit(spec("new", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()),
                Refusal.Kind.NOT_ADMITTING,
                "DRAINING");
        chunks("kept", nextChunk("kept") + 2);

        get(loop.stopDraining());
        assertThat(loop.phase()).isEqualTo(SessionLoop.Phase.READY);
        admit("new", 1, Pacing.PACING_UNPACED);
        chunks("new", 1);
    }

    @Test
    void commandsForAnotherEpochAreStale() throws Exception {
        admit("owned", 3, Pacing.PACING_REALTIME);

        assertRefused(loop.suspend("owned", 2), Refusal.Kind.STALE, "STALE_EPOCH");
        assertRefused(loop.resume("owned", 4, Optional.empty()), Refusal.Kind.STALE, "STALE_EPOCH");
        assertRefused(
                loop.release("owned", 2, true, "Deleted", ""), Refusal.Kind.STALE, "STALE_EPOCH");
        assertRefused(
                loop.admit(spec("owned", Pacing.PACING_REALTIME), 2, 1, false, Optional.empty()),
                Refusal.Kind.STALE,
                "STALE_EPOCH");
        get(loop.release("owned", 4, false, "", ""));
        assertThat(loop.sessions()).isEmpty();
    }

    @Test
    void aModelThatCannotBeLoadedIsAPhaseWithASentence() throws Exception {
        SessionLoop broken =
                new SessionLoop(
                        settings("w9", Duration.ofMinutes(1)),
                        store,
                        () -> {
                            throw new ModelException("model/vae/config.json is missing");
                        },
                        Clock.systemUTC(),
                        new Listener());
        loops.add(broken);
        broken.start();

        await(() -> broken.phase() == SessionLoop.Phase.FAILED);
        assertThat(broken.message()).isEqualTo("model/vae/config.json is missing");
        assertRefused(
                broken.admit(spec("x", Pacing.PACING_UNPACED), 1, 1, false, Optional.empty()),
                Refusal.Kind.NOT_ADMITTING,
                "vae/config.json is missing");
    }

    /** Chunks gapless, and each made from the one before as if nothing had happened. */
    private void assertUndisturbed(String uid, long seed) throws Exception {
        float before = 0;
        long expected = 0;
        for (LogEntry entry : SessionLogReader.fromStart(store, uid).pollAll()) {
            if (entry.hasChunk()) {
                Chunk chunk = entry.getChunk();
                assertThat(chunk.getChunk()).isEqualTo(expected);
                float value = FakeGenerators.value(chunk.getLatents().getData().toByteArray());
                assertThat(value)
                        .as("chunk %d", expected)
                        .isEqualTo(FakeGenerators.next(before, seed, expected, "a red ball"));
                before = value;
                expected++;
            }
        }
    }

    private SessionLoop loop(String name, Duration idle) throws Exception {
        SessionLoop made =
                new SessionLoop(
                        settings(name, idle),
                        store,
                        () -> engine,
                        Clock.systemUTC(),
                        new Listener());
        loops.add(made);
        made.start();
        await(() -> made.phase() == SessionLoop.Phase.READY);
        return made;
    }

    private static LoopSettings settings(String name, Duration idle) {
        return new LoopSettings(
                name,
                "127.0.0.1:1",
                Duration.ofMillis(750),
                idle,
                new PaceSettings(3, Duration.ofMillis(600)));
    }

    private final class Listener implements LoopListener {
        @Override
        public void changed() {}

        @Override
        public void chunkStored(ChunkStat stat) {
            stats.add(stat);
        }

        @Override
        public void storeFailed(String sessionUid, String reason) {}
    }

    private void admit(String uid, long epoch, Pacing pacing) throws Exception {
        get(loop.admit(spec(uid, pacing), epoch, 1, false, Optional.empty()));
    }

    private static SessionSpec spec(String uid, Pacing pacing) {
        return SessionSpec.newBuilder()
                .setUid(uid)
                .setSeed(1)
                .setPacing(pacing)
                .addControls(prompt("a red ball"))
                .build();
    }

    private static Control prompt(String text) {
        return Control.newBuilder().setKind("prompt").setText(text).build();
    }

    private String promptOf(String uid, long k) throws Exception {
        return ControlTracks.prompt(
                SessionLogReader.atEnd(store, uid)
                        .chunk(k)
                        .orElseThrow()
                        .getChunk()
                        .getControlsList());
    }

    private long nextChunk(String uid) throws Exception {
        return SessionLogReader.atEnd(store, uid).nextChunk();
    }

    private void chunks(String uid, long count) throws Exception {
        SessionLogReader reader = SessionLogReader.fromStart(store, uid);
        await(
                () -> {
                    reader.pollAll();
                    return reader.nextChunk() >= count;
                });
    }

    private SessionReport report(String uid, Predicate<SessionReport> condition) throws Exception {
        List<SessionReport> found = new ArrayList<>();
        await(
                () -> {
                    for (SessionLoop each : loops) {
                        Optional<SessionReport> report =
                                each.sessions().stream()
                                        .filter(r -> r.getSpec().getUid().equals(uid))
                                        .filter(condition)
                                        .findFirst();
                        if (report.isPresent()) {
                            found.add(report.get());
                            return true;
                        }
                    }
                    return false;
                });
        return found.getFirst();
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.holds()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private static <T> T get(CompletableFuture<T> answer) throws Exception {
        return answer.get(30, TimeUnit.SECONDS);
    }

    private static void assertRefused(
            CompletableFuture<?> answer, Refusal.Kind kind, String sentence) {
        assertThatThrownBy(() -> answer.get(30, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOfSatisfying(Refusal.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContaining(sentence);
    }

    /** Has no room under a prefix, or does not answer there, while it is told so. */
    private static final class FlakyStore implements ChunkStore {
        private final ChunkStore inner;
        private final CountDownLatch stalled = new CountDownLatch(1);
        private final CountDownLatch goesOn = new CountDownLatch(1);
        volatile String full = "nothing";
        private volatile String stalls = "nothing";

        FlakyStore(ChunkStore inner) {
            this.inner = inner;
        }

        @Override
        public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
            if (key.startsWith(full)) {
                throw new StoreFullException("the disk under the chunk store x is full", null);
            }
            if (key.startsWith(stalls)) {
                stalled.countDown();
                try {
                    goesOn.await();
                } catch (InterruptedException e) {
                    throw new StoreException("interrupted", e);
                }
            }
            return inner.createIfAbsent(key, bytes);
        }

        void stall(String prefix) {
            stalls = prefix;
        }

        void awaitStalled() throws InterruptedException {
            assertThat(stalled.await(30, TimeUnit.SECONDS)).isTrue();
        }

        void goOn() {
            stalls = "nothing";
            goesOn.countDown();
        }

        @Override
        public Optional<byte[]> read(String key) throws StoreException {
            return inner.read(key);
        }

        @Override
        public List<String> list(String prefix) throws StoreException {
            return inner.list(prefix);
        }

        @Override
        public void delete(String prefix) throws StoreException {
            inner.delete(prefix);
        }

        @Override
        public String location() {
            return inner.location();
        }
    }
}
