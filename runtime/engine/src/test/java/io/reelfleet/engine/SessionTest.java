package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.model.RandomModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SessionTest {
    private static final RandomModel MODEL = RandomModel.tiny();

    @TempDir static Path folder;
    private static Engine engine;

    @BeforeAll
    static void load() throws Exception {
        MODEL.write(folder, 1);
        engine = Engine.load(ModelFolder.of(folder), EngineOptions.defaults());
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    private static SessionParameters parameters(long seed) {
        return new SessionParameters("test-" + seed, seed, "a red ball moves left");
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static List<GeneratedChunk> chunks(EngineSession session, int count) {
        List<GeneratedChunk> chunks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            chunks.add(next(session));
        }
        return chunks;
    }

    private static List<byte[]> bits(List<GeneratedChunk> chunks) {
        return chunks.stream()
                .flatMap(
                        chunk ->
                                java.util.stream.Stream.of(
                                        chunk.latents().float32LittleEndian(),
                                        chunk.frames().rgb()))
                .toList();
    }

    private static void assertSameBits(List<GeneratedChunk> one, List<GeneratedChunk> other) {
        assertThat(bits(one))
                .usingElementComparator(java.util.Arrays::compare)
                .isEqualTo(bits(other));
    }

    private static StoredChunk stored(GeneratedChunk chunk, String prompt) {
        return new StoredChunk(chunk.chunk(), chunk.latents(), prompt);
    }

    @Test
    void yieldsNineFramesAndThenTwelve() throws Exception {
        try (EngineSession session = engine.open(parameters(1))) {
            assertThat(session.nextChunk()).isZero();
            GeneratedChunk first = next(session);
            GeneratedChunk second = next(session);
            assertThat(first.frames().count())
                    .isEqualTo(9)
                    .isEqualTo(engine.model().videoFrames(0));
            assertThat(second.frames().count())
                    .isEqualTo(12)
                    .isEqualTo(engine.model().videoFrames(1));
            assertThat(second.frames().rgb()).hasSize(12 * 32 * 32 * 3);
            assertThat(second.chunk()).isEqualTo(1);
            assertThat(second.firstLatentFrame()).isEqualTo(3);
            assertThat(second.latents().shape()).containsExactly(3, 16, 4, 4);
            assertThat(session.nextChunk()).isEqualTo(2);
        }
    }

    @Test
    void takesOneStepPerDenoisingStepAndOneForTheCleanPass() throws Exception {
        try (EngineSession session = engine.open(parameters(1))) {
            List<Boolean> steps = new ArrayList<>();
            for (int i = 0; i < MODEL.steps() + 1; i++) {
                steps.add(session.step());
            }
            assertThat(steps).containsExactly(false, false, true);
            assertThatThrownBy(session::step).hasMessageContaining("not taken");
        }
    }

    @Test
    void sameSeedSameBitsOtherSeedOtherVideo() throws Exception {
        try (EngineSession one = engine.open(parameters(7));
                EngineSession same = engine.open(parameters(7));
                EngineSession other = engine.open(parameters(8))) {
            List<GeneratedChunk> chunks = chunks(one, 5);
            assertSameBits(chunks, chunks(same, 5));
            assertThat(next(other).frames().rgb()).isNotEqualTo(chunks.getFirst().frames().rgb());
        }
    }

    @Test
    void sessionsInTurnDoNotDisturbEachOther() throws Exception {
        try (EngineSession alone = engine.open(parameters(3));
                EngineSession one = engine.open(parameters(3));
                EngineSession other = engine.open(parameters(4))) {
            List<GeneratedChunk> expected = chunks(alone, 4);
            List<GeneratedChunk> got = new ArrayList<>();
            while (got.size() < 4) {
                if (one.step()) {
                    got.add(one.takeChunk());
                }
                if (other.step()) {
                    other.takeChunk();
                }
            }
            assertSameBits(expected, got);
        }
    }

    @Test
    void suspendedAndResumedAtAnyStepItKeepsItsBits() throws Exception {
        try (EngineSession undisturbed = engine.open(parameters(5));
                EngineSession moved = engine.open(parameters(5))) {
            List<GeneratedChunk> expected = chunks(undisturbed, 5);
            List<GeneratedChunk> got = new ArrayList<>();
            int pages = engine.pagesUsed();
            long device = engine.deviceBytesUsed();
            while (got.size() < 5) {
                moved.suspend();
                assertThat(moved.suspended()).isTrue();
                assertThat(engine.pagesUsed()).isLessThan(pages);
                assertThat(device - engine.deviceBytesUsed())
                        .isEqualTo(engine.model().sessionBytes());
                assertThat(engine.hostBytesUsed()).isEqualTo(moved.stateBytes()).isPositive();
                moved.resume();
                assertThat(engine.hostBytesUsed()).isZero();
                if (moved.step()) {
                    got.add(moved.takeChunk());
                }
            }
            assertSameBits(expected, got);
        }
    }

    @Test
    void rebuiltFromLatentsItHasTheBitsOfAnUndisturbedSessionWhileNothingLeftTheWindow()
            throws Exception {
        try (EngineSession undisturbed = engine.open(parameters(6));
                EngineSession rebuilt = engine.open(parameters(6))) {
            undisturbed.setPrompt("a blue square");
            List<StoredChunk> log = new ArrayList<>();
            for (GeneratedChunk chunk : chunks(undisturbed, 2)) {
                log.add(stored(chunk, "a blue square"));
            }
            undisturbed.setPrompt("a green ball");
            log.add(stored(next(undisturbed), "a green ball"));
            assertThat(rebuilt.rebuildSet(3)).containsExactly(0L, 1L, 2L);
            rebuilt.rebuild(3, log);
            assertThat(rebuilt.nextChunk()).isEqualTo(3);
            assertSameBits(List.of(next(undisturbed)), List.of(next(rebuilt)));
        }
    }

    @Test
    void rebuiltAfterTheWindowRolledItGoesOnFromTheSamePictures() throws Exception {
        try (EngineSession undisturbed = engine.open(parameters(9));
                EngineSession rebuilt = engine.open(parameters(9))) {
            List<GeneratedChunk> made = chunks(undisturbed, 15);
            List<Long> wanted = rebuilt.rebuildSet(15);
            assertThat(wanted).startsWith(0L).endsWith(14L).hasSizeLessThan(15);
            assertThat(wanted).hasSize(1 + rebuilt.rebuildChunks());
            rebuilt.rebuild(
                    15,
                    wanted.stream()
                            .map(k -> stored(made.get(k.intValue()), parameters(9).prompt()))
                            .toList());
            GeneratedChunk expected = next(undisturbed);
            GeneratedChunk got = next(rebuilt);
            assertThat(got.chunk()).isEqualTo(15);
            assertThat(got.frames().count()).isEqualTo(12);
            assertThat(difference(expected, got)).isBetween(0.0, 40.0);
        }
    }

    private static double difference(GeneratedChunk one, GeneratedChunk other) {
        byte[] a = one.frames().rgb();
        byte[] b = other.frames().rgb();
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += Math.abs((a[i] & 0xff) - (b[i] & 0xff));
        }
        return sum / a.length;
    }

    @Test
    void aRebuildWithoutTheNewestChunkIsRefused() throws Exception {
        try (EngineSession session = engine.open(parameters(1))) {
            assertThatThrownBy(() -> session.rebuild(4, List.of()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("chunk 3 must be among the stored ones");
        }
    }

    @Test
    void aNewPromptIsInForceFromTheNextChunkThatStarts() throws Exception {
        try (EngineSession one = engine.open(parameters(11));
                EngineSession other = engine.open(parameters(11))) {
            one.step();
            one.setPrompt("the blue square moves right");
            GeneratedChunk first = next(one);
            assertThat(one.promptInForce()).isEqualTo(parameters(11).prompt());
            assertSameBits(List.of(first), List.of(next(other)));
            GeneratedChunk second = next(one);
            assertThat(one.promptInForce()).isEqualTo("the blue square moves right");
            assertThat(second.frames().rgb()).isNotEqualTo(next(other).frames().rgb());
        }
    }

    @Test
    void promptsThatTheModelCannotTakeAreRefused() {
        assertThatThrownBy(() -> engine.open(new SessionParameters("p", 1, "  ")))
                .isInstanceOf(InvalidPromptException.class)
                .hasMessage("prompt is empty: write what the video should show");
        assertThatThrownBy(() -> engine.open(new SessionParameters("p", 1, "red ".repeat(16))))
                .isInstanceOf(InvalidPromptException.class)
                .hasMessage("prompt has 17 tokens, the model takes 16: write a shorter one");
        assertThatThrownBy(() -> new SessionParameters("p", -1, "red"))
                .hasMessageContaining("seed");
        assertThat(engine.openSessions()).isZero();
    }

    @Test
    void aSessionThatDoesNotFitIsRefusedBeforeItStarts() throws Exception {
        long session = engine.model().sessionBytes();
        long weights = engine.deviceBytesUsed();
        EngineOptions small = EngineOptions.defaults().withDeviceMemory(weights + 2 * session);
        try (Engine limited = Engine.load(ModelFolder.of(folder), small)) {
            EngineSession one = limited.open(parameters(1));
            EngineSession two = limited.open(parameters(2));
            assertThatThrownBy(() -> limited.open(parameters(3)))
                    .isInstanceOf(DoesNotFitException.class)
                    .hasMessageContaining("session test-3 needs " + session + " bytes");
            two.suspend();
            EngineSession three = limited.open(parameters(3));
            assertThatThrownBy(two::resume).isInstanceOf(DoesNotFitException.class);
            assertThat(two.suspended()).isTrue();
            three.close();
            two.resume();
            next(one);
            next(two);
        }
    }

    @Test
    void closedSessionsLeaveNoPageAndNoNativeObject() throws Exception {
        for (int i = 0; i < 3; i++) {
            openUseClose(i);
        }
        long objects = Pointer.totalCount();
        long device = engine.deviceBytesUsed();
        for (int i = 0; i < 60; i++) {
            openUseClose(i);
        }
        assertThat(engine.pagesUsed()).isZero();
        assertThat(engine.openSessions()).isZero();
        assertThat(engine.hostBytesUsed()).isZero();
        assertThat(engine.deviceBytesUsed()).isEqualTo(device);
        assertThat(Pointer.totalCount()).isEqualTo(objects);
    }

    private static void openUseClose(int seed) throws Exception {
        try (EngineSession session = engine.open(parameters(seed))) {
            List<GeneratedChunk> made = chunks(session, seed % 4 == 0 ? 4 : 1);
            if (seed % 3 == 0) {
                session.suspend();
            }
            if (seed % 2 == 0) {
                session.resume();
                session.rebuild(1, List.of(stored(made.getFirst(), "a ball")));
                session.step();
                session.suspend();
            }
        }
    }

    /** As of DESIGN section 5: a chunk from the same state, in batches of any shape. */
    private static final double ACROSS_SHAPES = 1e-4;

    @Test
    void oneChunkFromTheSameStateAgreesInABatchOfAnyShape() throws Exception {
        List<EngineSession> others = new ArrayList<>();
        try (EngineSession alone = engine.open(parameters(21));
                EngineSession batched = engine.open(parameters(21))) {
            for (int size = 2; size <= 8; size += size < 4 ? 1 : 2) {
                while (others.size() < size - 1) {
                    EngineSession other = engine.open(parameters(100 + others.size()));
                    others.add(other);
                    // Every one at a chunk, step, window and prompt of its own.
                    chunks(other, others.size() % 4);
                    other.setPrompt("a blue square");
                    for (int i = 0; i < others.size() % MODEL.steps(); i++) {
                        other.step();
                    }
                }
                GeneratedChunk expected = next(alone);
                List<EngineSession> batch = new ArrayList<>(others.subList(0, size - 1));
                batch.add(size / 2, batched);
                GeneratedChunk got = null;
                while (got == null) {
                    List<Boolean> ready = engine.step(batch);
                    for (int i = 0; i < batch.size(); i++) {
                        if (ready.get(i)) {
                            GeneratedChunk taken = batch.get(i).takeChunk();
                            got = batch.get(i) == batched ? taken : got;
                        }
                    }
                }
                assertThat(largest(expected, got)).isLessThan(ACROSS_SHAPES);
                // From the same state again: long trajectories are not compared.
                List<StoredChunk> log = List.of(stored(expected, parameters(21).prompt()));
                alone.rebuild(expected.chunk() + 1, log);
                batched.rebuild(expected.chunk() + 1, log);
            }
        } finally {
            others.forEach(EngineSession::close);
        }
    }

    @Test
    void atEqualBatchShapeTheCompanyDoesNotChangeABit() throws Exception {
        try (EngineSession one = engine.open(parameters(31));
                EngineSession same = engine.open(parameters(31));
                EngineSession company = engine.open(parameters(32));
                EngineSession otherCompany = engine.open(parameters(33))) {
            chunks(otherCompany, 3);
            otherCompany.setPrompt("the green square on grey");
            List<GeneratedChunk> first = besides(company, one, 3);
            List<GeneratedChunk> second = besides(otherCompany, same, 3);
            assertSameBits(first, second);
        }
    }

    private static List<GeneratedChunk> besides(
            EngineSession company, EngineSession session, int count) {
        List<GeneratedChunk> made = new ArrayList<>();
        while (made.size() < count) {
            List<Boolean> ready = engine.step(List.of(company, session));
            if (ready.get(0)) {
                company.takeChunk();
            }
            if (ready.get(1)) {
                made.add(session.takeChunk());
            }
        }
        return made;
    }

    @Test
    void aSessionThatCannotStepLeavesItsBatchAlone() throws Exception {
        try (EngineSession fine = engine.open(parameters(41));
                EngineSession asleep = engine.open(parameters(42))) {
            asleep.suspend();
            List<Advance> advances = engine.step(List.of(asleep, fine), 2);
            assertThat(advances.get(0).failure()).hasMessageContaining("is suspended");
            assertThat(advances.get(1)).isEqualTo(new Advance(false, null));
            assertThat(fine.midChunk()).isTrue();
        }
    }

    @Test
    void theBatchCapIsMeasuredAndLeavesNoPageTaken() throws Exception {
        BatchCap cap = engine.batchCap();
        assertThat(cap.sessions()).isBetween(1, 64);
        assertThat(cap.secondsPerSession()).containsKey(1);
        assertThat(engine.pagesUsed()).isZero();
    }

    private static double largest(GeneratedChunk one, GeneratedChunk other) {
        var a = java.nio.ByteBuffer.wrap(one.latents().float32LittleEndian());
        var b = java.nio.ByteBuffer.wrap(other.latents().float32LittleEndian());
        a.order(java.nio.ByteOrder.LITTLE_ENDIAN);
        b.order(java.nio.ByteOrder.LITTLE_ENDIAN);
        double largest = 0;
        while (a.hasRemaining()) {
            largest = Math.max(largest, Math.abs(a.getFloat() - b.getFloat()));
        }
        return largest;
    }
}
