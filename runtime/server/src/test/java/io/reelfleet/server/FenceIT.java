package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.grpc.StatusRuntimeException;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.runtime.v1.ChunkEvent;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.WatchRequest;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two worker processes that both believe they own a session. */
class FenceIT {
    private static final String UID = "contested";

    @TempDir Path folder;

    @Test
    void aWorkerThatWakesLateIsFencedAndLogViewersAndDiskKnowOneOwner() throws Exception {
        Path model = folder.resolve("model");
        RandomModel.tiny().write(model, 1);
        Map<String, String> settings = Map.of("reelfleet.model.uri", "file:" + model);
        SessionSpec spec = WorkerProcess.spec(UID, 5, Pacing.PACING_UNPACED, 0);
        try (ChunkStore store = ChunkStores.open("file:" + folder.resolve("store"));
                WorkerProcess late = WorkerProcess.start(folder, "w-late", settings).ready();
                WorkerProcess heir = WorkerProcess.start(folder, "w-heir", settings).ready()) {
            late.admit(spec, 1);
            Viewer ofLate = new Viewer(late);
            waitForChunk(store, late, 2);
            late.signal("STOP");
            try {
                long next = heir.admit(spec, 2).getNextChunk();
                waitForChunk(store, heir, next + 3);
            } finally {
                late.signal("CONT");
            }

            String why =
                    late.report(
                                    r ->
                                            r.getSessionsList().stream()
                                                    .anyMatch(
                                                            s ->
                                                                    s.getState()
                                                                            == SessionState
                                                                                    .SESSION_STATE_FAILED))
                            .getSessionsList()
                            .getFirst()
                            .getLastError();
            assertThat(why)
                    .isEqualTo(
                            "FENCED session contested: epoch 1 is over, epoch 2 belongs to w-heir");
            waitForChunk(store, heir, SessionLogReader.atEnd(store, UID).nextChunk() + 2);
            Viewer ofHeir = new Viewer(heir);
            heir.commands()
                    .release(
                            ReleaseRequest.newBuilder()
                                    .setHeader(WorkerProcess.header(UID, 2))
                                    .setEnd(true)
                                    .build());
            ofHeir.thread.join();
            ofLate.thread.join();

            List<LogEntry> log = SessionLogReader.fromStart(store, UID).pollAll();
            List<Long> owners = new ArrayList<>();
            Map<Long, ByteString> stored = new ConcurrentSkipListMap<>();
            for (LogEntry entry : log) {
                if (entry.hasOwner()) {
                    owners.add(entry.getEpoch());
                }
                assertThat(entry.getEpoch())
                        .as("entry %d", entry.getIndex())
                        .isEqualTo(owners.getLast());
                if (entry.hasChunk()) {
                    assertThat(entry.getChunk().getChunk()).isEqualTo(stored.size());
                    stored.put(
                            entry.getChunk().getChunk(), entry.getChunk().getMedia().getFragment());
                }
            }
            assertThat(owners).containsExactly(1L, 2L);
            assertThat(ofHeir.got).isEqualTo(stored);
            assertThat(ofHeir.doubled || ofLate.doubled).as("a chunk twice").isFalse();
            assertThat(ofLate.got).isNotEmpty();
            assertThat(stored.entrySet()).containsAll(ofLate.got.entrySet());
            try (Stream<Path> files =
                    Files.list(folder.resolve("store/sessions/" + UID + "/log"))) {
                assertThat(files.map(f -> f.getFileName().toString()).sorted())
                        .containsExactlyElementsOf(
                                IntStream.range(0, log.size())
                                        .mapToObj("%010d"::formatted)
                                        .toList());
            }
        }
    }

    /** Takes every chunk from the first one on, until the stream ends one way or the other. */
    private static final class Viewer {
        private final Map<Long, ByteString> got = new ConcurrentSkipListMap<>();
        private volatile boolean doubled;
        private final Thread thread;

        Viewer(WorkerProcess worker) {
            Iterator<ChunkEvent> events =
                    worker.sessions().watch(WatchRequest.newBuilder().setSessionUid(UID).build());
            thread =
                    Thread.ofVirtual()
                            .start(
                                    () -> {
                                        try {
                                            while (events.hasNext()) {
                                                ChunkEvent event = events.next();
                                                if (!event.getEnd()) {
                                                    ByteString before =
                                                            got.put(
                                                                    event.getChunk(),
                                                                    event.getFragment());
                                                    doubled |= before != null;
                                                }
                                            }
                                        } catch (StatusRuntimeException e) {
                                            // A worker that no longer owns the session says so.
                                        }
                                    });
        }
    }

    private static void waitForChunk(ChunkStore store, WorkerProcess at, long chunk)
            throws Exception {
        WorkerProcess.await(
                "chunk " + chunk,
                () -> SessionLogReader.atEnd(store, UID).nextChunk() > chunk,
                at::output);
    }
}
