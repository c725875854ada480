package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real disk of two megabytes under the store; skipped where this user may not mount one. */
class FullDiskIT {

    @TempDir Path folder;
    private Path disk;
    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        disk = Files.createDirectory(folder.resolve("disk"));
        mounted = run("mount", "-t", "tmpfs", "-o", "size=2m", "reelfleet-test", disk.toString());
        assumeTrue(
                mounted,
                "skipped: mounting a small disk needs root; SessionLoopTest covers the rest");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            assertThat(run("umount", disk.toString())).isTrue();
        }
    }

    @Test
    void theSessionSaysWhichDiskIsFullWaitsAndGoesOnWithTheSameChunk() throws Exception {
        Path model = folder.resolve("model");
        RandomModel.tiny().write(model, 1);
        Path ballast = disk.resolve("ballast");
        try (ChunkStore store = ChunkStores.open("file:" + disk.resolve("store"));
                WorkerProcess worker =
                        WorkerProcess.start(
                                folder,
                                "w-full",
                                Map.of(
                                        "reelfleet.model.uri", "file:" + model,
                                        "reelfleet.store", "file:" + disk.resolve("store")))) {
            worker.ready();
            worker.admit(WorkerProcess.spec("full", 1, Pacing.PACING_REALTIME, 0), 1);
            WorkerProcess.await(
                    "a first chunk",
                    () -> SessionLogReader.atEnd(store, "full").nextChunk() > 0,
                    worker::output);
            fill(ballast);

            WorkerReport report =
                    worker.report(
                            r -> session(r).filter(s -> !s.getLastError().isEmpty()).isPresent());
            assertThat(session(report).orElseThrow().getLastError())
                    .startsWith("the disk under the chunk store file:" + disk.resolve("store"))
                    .contains("is full");
            assertThat(session(report).orElseThrow().getState())
                    .isEqualTo(SessionState.SESSION_STATE_RUNNING);
            long stuck = SessionLogReader.atEnd(store, "full").nextChunk();

            Files.delete(ballast);
            WorkerProcess.await(
                    "the session to go on",
                    () -> SessionLogReader.atEnd(store, "full").nextChunk() > stuck + 2,
                    worker::output);
            long expected = 0;
            for (var entry : SessionLogReader.fromStart(store, "full").pollAll()) {
                if (entry.hasChunk()) {
                    assertThat(entry.getChunk().getChunk()).isEqualTo(expected++);
                }
            }
        }
    }

    private static void fill(Path file) throws Exception {
        try (var out = Files.newOutputStream(file)) {
            byte[] block = new byte[4096];
            while (true) {
                out.write(block);
            }
        } catch (java.io.IOException e) {
            assertThat(e).hasMessageContaining("No space left");
        }
    }

    private static Optional<SessionReport> session(WorkerReport report) {
        return report.getSessionsList().stream().findFirst();
    }

    private static boolean run(String... command) throws Exception {
        try {
            Process process =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (java.io.IOException e) {
            return false;
        }
    }
}
