package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The built workers, two processes, move a session over Gloo while it streams. */
class MoveIT {
    private static final long CHUNKS = 9;

    @TempDir static Path folder;
    private static Map<String, String> settings;
    private static ChunkStore store;
    private static WorkerProcess a;
    private static WorkerProcess b;

    @BeforeAll
    static void start() throws Exception {
        Path model = folder.resolve("model");
        RandomModel.tiny().write(model, 5);
        settings = Map.of("reelfleet.model.uri", "file:" + model);
        a = WorkerProcess.start(folder, "w-a", settings);
        b = WorkerProcess.start(folder, "w-b", settings);
        store = ChunkStores.open("file:" + folder.resolve("store"));
        a.ready();
        b.ready();
    }

    @AfterAll
    static void stop() throws Exception {
        a.close();
        b.close();
        store.close();
    }

    private static SessionSpec spec(String uid) {
        return WorkerProcess.spec(uid, 21, Pacing.PACING_REALTIME, CHUNKS);
    }

    private static Move move(String uid, WorkerProcess from, WorkerProcess to) {
        return Move.newBuilder()
                .setId("m-" + uid)
                .setSessionUid(uid)
                .setSource(from.name)
                .setTarget(to.name)
                .setEpoch(2)
                .build();
    }

    private static MoveResponse prepare(Move move, WorkerProcess to) {
        MoveResponse place =
                to.commands()
                        .prepareMove(
                                PrepareMoveRequest.newBuilder()
                                        .setHeader(
                                                WorkerProcess.header(
                                                        move.getSessionUid(), move.getEpoch()))
                                        .setMove(move)
                                        .setSpec(spec(move.getSessionUid()))
                                        .build());
        assertThat(place.getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_PREPARED);
        return place;
    }

    private static void start(Move move, WorkerProcess from, MoveResponse place) {
        from.commands()
                .startMove(
                        StartMoveRequest.newBuilder()
                                .setHeader(WorkerProcess.header(move.getSessionUid(), 1))
                                .setMove(move)
                                .setHost(place.getHost())
                                .setPort(place.getPort())
                                .build());
    }

    private static MoveReport ended(WorkerProcess worker, Move move) {
        return report(worker.report(r -> report(r, move).isPresent()), move).orElseThrow();
    }

    private static Optional<MoveReport> report(WorkerReport report, Move move) {
        return report.getMovesList().stream()
                .filter(m -> m.getMove().getId().equals(move.getId()))
                .filter(m -> m.getOutcomeValue() > MoveOutcome.MOVE_OUTCOME_PREPARED_VALUE)
                .findFirst();
    }

    private static List<Chunk> chunks(String uid) throws Exception {
        return SessionLogReader.fromStart(store, uid).pollAll().stream()
                .filter(LogEntry::hasChunk)
                .map(LogEntry::getChunk)
                .toList();
    }

    private static void stored(String uid, long count) throws Exception {
        WorkerProcess.await(
                count + " chunks of " + uid, () -> chunks(uid).size() >= count, a::output);
    }

    /** Chunk by chunk what a session of the same seed has that nothing happened to. */
    private static void assertUndisturbed(String uid) throws Exception {
        stored(uid, CHUNKS);
        String plain = "plain-" + uid;
        a.admit(WorkerProcess.spec(plain, 21, Pacing.PACING_UNPACED, CHUNKS), 1);
        stored(plain, CHUNKS);
        List<Chunk> got = chunks(uid);
        List<Chunk> expected = chunks(plain);
        assertThat(got).hasSize((int) CHUNKS);
        for (int k = 0; k < CHUNKS; k++) {
            assertThat(got.get(k).getChunk()).isEqualTo(k);
            assertThat(got.get(k).getLatents())
                    .as("chunk %d", k)
                    .isEqualTo(expected.get(k).getLatents());
            assertThat(got.get(k).getMedia().getFragment())
                    .isEqualTo(expected.get(k).getMedia().getFragment());
        }
    }

    @Test
    void betweenTwoProcessesEveryBitStaysAlsoAfterTheWindowHasRolled() throws Exception {
        a.admit(spec("moved"), 1);
        stored("moved", 4);
        Move move = move("moved", a, b);
        start(move, a, prepare(move, b));
        MoveReport report = ended(a, move);
        assertThat(report.getOutcome()).as(a.output()).isEqualTo(MoveOutcome.MOVE_OUTCOME_GONE);
        assertThat(ended(b, move).getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_COMMITTED);
        System.out.printf(
                "moved between processes: %,d bytes while it went on, %,d after, stood still for"
                        + " %.1f ms%n",
                report.getPrecopyBytes(), report.getRestBytes(), report.getPauseS() * 1000);
        assertUndisturbed("moved");
        assertThat(
                        SessionLogReader.fromStart(store, "moved").pollAll().stream()
                                .filter(LogEntry::hasOwner)
                                .map(e -> e.getOwner().getWorker()))
                .containsExactly("w-a", "w-b");
    }

    @Test
    void aWorkerThatIsToldToEndStaysUntilItsSessionHasMovedAndLosesNoBit() throws Exception {
        Map<String, String> graceful = new HashMap<>(settings);
        graceful.put("reelfleet.worker.grace", "60s");
        try (WorkerProcess leaving = WorkerProcess.start(folder, "w-leaving", graceful)) {
            leaving.ready();
            leaving.admit(spec("told"), 1);
            stored("told", 2);

            leaving.process.destroy();

            leaving.report(r -> r.getPhase() == WorkerPhase.WORKER_PHASE_DRAINING);
            Move move = move("told", leaving, b);
            start(move, leaving, prepare(move, b));
            assertThat(ended(b, move).getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_COMMITTED);
            assertThat(leaving.process.waitFor(10, TimeUnit.SECONDS))
                    .as("empty, so it ends long before its grace does: " + leaving.output())
                    .isTrue();
        }
        assertUndisturbed("told");
    }

    @Test
    void aTargetThatIsKilledLeavesTheSourceAsIfNothingHadHappened() throws Exception {
        try (WorkerProcess doomed = WorkerProcess.start(folder, "w-doomed", settings)) {
            doomed.ready();
            a.admit(spec("kept"), 1);
            stored("kept", 2);
            Move move = move("kept", a, doomed);
            MoveResponse place = prepare(move, doomed);
            doomed.kill();
            start(move, a, place);
            assertThat(ended(a, move).getOutcome()).isEqualTo(MoveOutcome.MOVE_OUTCOME_KEPT);
            assertUndisturbed("kept");
        }
    }
}
