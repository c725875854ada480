package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Copies of state and decodes that run while other sessions step. */
class BesideTheStepsTest {
    @TempDir static Path folder;
    private static Engine engine;

    @BeforeAll
    static void load() throws Exception {
        RandomModel.tiny().write(folder.resolve("model"), 6);
        engine = Engine.load(ModelFolder.of(folder.resolve("model")), EngineOptions.defaults());
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    private static SessionParameters parameters(int i) {
        return new SessionParameters("b" + i, i, "a red ball moves left");
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static List<byte[]> undisturbed(int seed, int chunks) throws Exception {
        List<byte[]> expected = new ArrayList<>();
        try (EngineSession session = engine.open(parameters(seed))) {
            for (int chunk = 0; chunk < chunks; chunk++) {
                expected.add(next(session).frames().rgb());
            }
        }
        return expected;
    }

    @Test
    void aSessionLeavesAndComesBackWhileOthersStepAndNeitherNotices() throws Exception {
        List<byte[]> expected = undisturbed(1, 5);
        List<byte[]> expectedOther = undisturbed(2, 5);
        List<byte[]> got = new ArrayList<>();
        List<byte[]> gotOther = new ArrayList<>();
        try (EngineSession moved = engine.open(parameters(1));
                EngineSession other = engine.open(parameters(2))) {
            int pages = engine.pagesUsed();
            while (got.size() < 5) {
                moved.beginSuspend();
                assertThat(moved.suspended()).isTrue();
                while (engine.settling()) {
                    collect(other, gotOther, 5);
                    engine.settle();
                }
                assertThat(engine.pagesUsed()).isLessThan(pages);
                while (!moved.tryResume()) {
                    collect(other, gotOther, 5);
                }
                assertThat(engine.pagesUsed()).isEqualTo(pages);
                if (moved.step()) {
                    got.add(moved.takeChunk().frames().rgb());
                }
            }
            while (gotOther.size() < 5) {
                collect(other, gotOther, 5);
            }
        }
        assertThat(got).usingElementComparator(java.util.Arrays::compare).isEqualTo(expected);
        assertThat(gotOther)
                .usingElementComparator(java.util.Arrays::compare)
                .isEqualTo(expectedOther);
        assertThat(engine.hostBytesUsed()).isZero();
    }

    private static void collect(EngineSession session, List<byte[]> into, int most) {
        if (into.size() < most && session.step()) {
            into.add(session.takeChunk().frames().rgb());
        }
    }

    @Test
    void whoNeedsTheRoomOfASessionThatIsLeavingWaitsForItsCopy() throws Exception {
        EngineOptions options = EngineOptions.defaults();
        long one = engine.model().sessionBytes();
        long weights = engine.deviceBytesUsed() - engine.openSessions() * one;
        try (Engine small =
                        Engine.load(
                                ModelFolder.of(folder.resolve("model")),
                                options.withDeviceMemory(weights + one + one / 2));
                EngineSession first = small.open(parameters(1))) {
            next(first);
            for (int round = 0; round < 5; round++) {
                first.beginSuspend();
                try (EngineSession second = small.open(parameters(2))) {
                    next(second);
                }
                first.resume();
                next(first);
            }
        }
    }

    @Test
    void aStateInAFileComesBackWithoutAStepWaitingForIt() throws Exception {
        Path spill = Files.createDirectories(folder.resolve("spill"));
        EngineOptions options =
                EngineOptions.defaults()
                        .withHostMemory(engine.model().sessionBytes() * 3 / 2, spill);
        List<byte[]> expected = undisturbed(3, 3);
        try (Engine tight = Engine.load(ModelFolder.of(folder.resolve("model")), options);
                EngineSession away = tight.open(parameters(3));
                EngineSession other = tight.open(parameters(4))) {
            next(away);
            next(away);
            next(other);
            away.suspend();
            other.suspend();
            other.resume();
            assertThat(tight.spilledBytes()).isPositive();
            while (!away.tryResume()) {
                collect(other, new ArrayList<>(), 1);
            }
            assertThat(tight.spilledBytes()).isZero();
            assertThat(next(away).frames().rgb()).isEqualTo(expected.get(2));
        }
    }

    @Test
    void chunksAreDecodedBesideTheStepsWithTheSameBitsInTheirOrder() throws Exception {
        List<byte[]> expected = undisturbed(5, 6);
        try (EngineSession session = engine.open(parameters(5))) {
            List<CompletableFuture<GeneratedChunk>> decodes = new ArrayList<>();
            while (decodes.size() < 6) {
                if (session.step()) {
                    decodes.add(session.decodeBeside());
                }
            }
            for (int chunk = 0; chunk < 6; chunk++) {
                GeneratedChunk got = decodes.get(chunk).get();
                assertThat(got.chunk()).isEqualTo(chunk);
                assertThat(got.frames().rgb()).isEqualTo(expected.get(chunk));
            }
        }
    }

    @Test
    void sessionsClosedWhileTheyMoveOrDecodeLeaveNothingBehind() throws Exception {
        for (int round = 0; round < 3; round++) {
            closeInTheMiddle(round);
        }
        long objects = Pointer.totalCount();
        int pages = engine.pagesUsed();
        for (int round = 0; round < 20; round++) {
            closeInTheMiddle(round);
        }
        assertThat(engine.pagesUsed()).isEqualTo(pages);
        assertThat(engine.hostBytesUsed()).isZero();
        assertThat(Pointer.totalCount()).isLessThanOrEqualTo(objects);
    }

    private static void closeInTheMiddle(int round) throws Exception {
        EngineSession decodes = engine.open(parameters(round));
        while (!decodes.step()) {
            // one denoising step at a time
        }
        decodes.decodeBeside();
        decodes.step();
        EngineSession leaves = engine.open(parameters(round));
        next(leaves);
        leaves.step();
        leaves.beginSuspend();
        EngineSession comes = engine.open(parameters(round));
        next(comes);
        comes.step();
        comes.suspend();
        comes.tryResume();
        decodes.close();
        leaves.close();
        comes.close();
    }
}
