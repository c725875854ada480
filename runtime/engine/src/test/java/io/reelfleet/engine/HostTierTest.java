package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.model.RandomModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostTierTest {
    @TempDir Path folder;
    private Path model;
    private Path spill;

    @BeforeEach
    void write() throws Exception {
        model = folder.resolve("model");
        spill = Files.createDirectories(folder.resolve("spill"));
        RandomModel.tiny().write(model, 1);
    }

    /** An engine whose host memory holds the states of so many sessions. */
    private Engine engine(double states, Path where) throws Exception {
        long bytes;
        try (Engine probe = Engine.load(ModelFolder.of(model), EngineOptions.defaults())) {
            bytes = probe.model().sessionBytes();
        }
        EngineOptions options =
                EngineOptions.defaults().withHostMemory((long) (states * bytes), where);
        return Engine.load(ModelFolder.of(model), options);
    }

    private static SessionParameters parameters(int i) {
        return new SessionParameters("s" + i, i, "a red ball moves left");
    }

    private static byte[] next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk().frames().rgb();
    }

    @Test
    void statesBeyondTheLimitGoToFilesOldestFirstAndComeBackWithTheirBits() throws Exception {
        try (Engine engine = engine(2.5, spill)) {
            List<EngineSession> sessions = new ArrayList<>();
            List<byte[]> expected = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                EngineSession session = engine.open(parameters(i));
                for (int chunk = 0; chunk < 4; chunk++) {
                    next(session);
                }
                session.step();
                sessions.add(session);
                try (EngineSession undisturbed = engine.open(parameters(i))) {
                    for (int chunk = 0; chunk < 4; chunk++) {
                        next(undisturbed);
                    }
                    expected.add(next(undisturbed));
                }
            }
            sessions.forEach(EngineSession::suspend);
            assertThat(engine.hostBytesUsed()).isPositive().isLessThan(engine.hostBytesLimit());
            assertThat(engine.hostBytesUsed() + engine.spilledBytes())
                    .isEqualTo(sessions.stream().mapToLong(EngineSession::stateBytes).sum());
            assertThat(engine.spilledBytes()).isEqualTo(3 * sessions.getFirst().stateBytes());

            sessions.getFirst().prefetch();
            // Turned round, so that the newest leave for the oldest.
            for (int i = 0; i < 5; i++) {
                sessions.get(i).resume();
                assertThat(next(sessions.get(i))).isEqualTo(expected.get(i));
            }
            assertThat(engine.hostBytesUsed()).isZero();
            assertThat(engine.spilledBytes()).isZero();
            sessions.forEach(EngineSession::close);
        }
        try (var left = Files.list(spill)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void sessionsClosedWhileTheirStateIsInAFileLeaveNothingBehind() throws Exception {
        try (Engine engine = engine(1.5, spill)) {
            for (int round = 0; round < 2; round++) {
                closeSuspended(engine);
            }
            long objects = Pointer.totalCount();
            for (int round = 0; round < 5; round++) {
                closeSuspended(engine);
            }
            assertThat(Pointer.totalCount()).isLessThanOrEqualTo(objects);
            assertThat(engine.hostBytesUsed() + engine.spilledBytes()).isZero();
            assertThat(engine.pagesUsed()).isZero();
        }
    }

    private static void closeSuspended(Engine engine) throws Exception {
        List<EngineSession> sessions = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            EngineSession session = engine.open(parameters(i));
            next(session);
            session.step();
            session.suspend();
            sessions.add(session);
        }
        sessions.get(1).prefetch();
        sessions.forEach(EngineSession::close);
    }

    @Test
    void withoutAFolderAStateThatDoesNotFitIsRefusedAndTheSessionGoesOn() throws Exception {
        try (Engine engine = engine(1.5, null);
                EngineSession one = engine.open(parameters(1));
                EngineSession other = engine.open(parameters(2))) {
            next(one);
            next(other);
            one.suspend();
            assertThatThrownBy(other::suspend)
                    .isInstanceOf(DoesNotFitException.class)
                    .hasMessageContaining("suspended session s2 needs")
                    .hasMessageContaining("of host memory");
            assertThat(other.suspended()).isFalse();
            next(other);
        }
    }

    @Test
    void whereARebuildIsCheaperThanAFileTheOldestStateIsGivenUp() throws Exception {
        try (Engine engine = engine(1.5, spill);
                EngineSession one = engine.open(parameters(1));
                EngineSession other = engine.open(parameters(2))) {
            engine.host().beyond(HostTier.Beyond.DROP);
            for (int i = 0; i < 3; i++) {
                next(one);
                next(other);
            }
            one.suspend();
            other.suspend();
            assertThat(one.lost()).isTrue();
            assertThat(other.lost()).isFalse();
            assertThatThrownBy(one::resume).hasMessageContaining("was given up: rebuild it");
            other.resume();
            next(other);
            assertThat(engine.spilledBytes()).isZero();
        }
    }

    @Test
    void aStateWhoseFileIsGoneIsGivenUpInOneSentence() throws Exception {
        try (Engine engine = engine(1.5, spill);
                EngineSession one = engine.open(parameters(1));
                EngineSession other = engine.open(parameters(2))) {
            next(one);
            next(other);
            for (int i = 0; i < 2; i++) {
                next(one);
                next(other);
            }
            one.suspend();
            other.suspend();
            assertThat(engine.spilledBytes()).isPositive();
            // The file is written by a thread of its own; reading waits for that.
            other.resume();
            awaitFile();
            try (var files = Files.list(spill)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            assertThatThrownBy(one::resume).hasMessageContaining("session s1 was given up");
            assertThat(one.lost()).isTrue();
        }
    }

    private void awaitFile() throws Exception {
        while (true) {
            try (var files = Files.list(spill)) {
                if (files.findAny().isPresent()) {
                    return;
                }
            }
            Thread.onSpinWait();
        }
    }

    @Test
    void theCostsOfEveryPlaceAreMeasuredAndTheCheaperOneIsChosen() throws Exception {
        try (Engine engine = engine(2, spill)) {
            OffloadCosts costs = engine.offloadCosts();
            assertThat(costs.hostSeconds()).isPositive().isLessThan(costs.fileSeconds());
            assertThat(costs.rebuildSeconds()).isPositive();
            assertThat(costs.fileBytesPerSecond()).isPositive();
            OffloadCosts slowDisk = new OffloadCosts(1 << 30, 1e10, 1e6, 0.01, 4, 0.01, 13);
            assertThat(slowDisk.beyond()).isEqualTo(HostTier.Beyond.DROP);
            OffloadCosts fastDisk = new OffloadCosts(1 << 30, 1e10, 5e9, 1, 4, 1, 13);
            assertThat(fastDisk.beyond()).isEqualTo(HostTier.Beyond.FILE);
        }
    }
}
