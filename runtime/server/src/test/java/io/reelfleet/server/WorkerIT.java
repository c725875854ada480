package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.runtime.v1.AdmitRequest;
import io.reelfleet.api.runtime.v1.ChunkEvent;
import io.reelfleet.api.runtime.v1.ControlAck;
import io.reelfleet.api.runtime.v1.ControlRequest;
import io.reelfleet.api.runtime.v1.FindForkRequest;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.KeepRequest;
import io.reelfleet.api.runtime.v1.ReleaseRequest;
import io.reelfleet.api.runtime.v1.ReportRequest;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.WatchRequest;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.runtime.v1.WorkerReport;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Origin;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.server.media.Videos;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The built worker in processes of its own, on a tiny model with random weights. */
class WorkerIT {

    @TempDir static Path folder;
    private static Path model;
    private static ChunkStore store;
    private static WorkerProcess worker;

    @BeforeAll
    static void startOne() throws Exception {
        model = folder.resolve("model");
        RandomModel.tiny().write(model, 1);
        worker = start("w-one").ready();
        store = ChunkStores.open("file:" + folder.resolve("store"));
    }

    @AfterAll
    static void stop() throws Exception {
        worker.close();
        store.close();
    }

    private static WorkerProcess start(String name) throws Exception {
        return start(name, Map.of());
    }

    private static WorkerProcess start(String name, Map<String, String> more) throws Exception {
        Map<String, String> settings = new HashMap<>(more);
        settings.put("reelfleet.model.uri", "file:" + model);
        return WorkerProcess.start(folder, name, settings);
    }

    @Test
    void aViewerGetsEveryChunkAndTheVideoDecodesToItsLength() throws Exception {
        worker.admit(WorkerProcess.spec("watched", 7, Pacing.PACING_UNPACED, 5), 1);

        Iterator<ChunkEvent> events =
                worker.sessions().watch(WatchRequest.newBuilder().setSessionUid("watched").build());
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        List<Long> chunks = new ArrayList<>();
        ChunkEvent last = null;
        while (events.hasNext()) {
            last = events.next();
            if (!last.getEnd()) {
                last.getInit().writeTo(file);
                last.getFragment().writeTo(file);
                chunks.add(last.getChunk());
            }
        }

        assertThat(chunks).containsExactly(0L, 1L, 2L, 3L, 4L);
        assertThat(last.getEndReason()).isEqualTo("Completed");
        Path video = Files.write(folder.resolve("watched.mp4"), file.toByteArray());
        assertThat(Videos.decode(video)).hasSize(9 + 4 * 12);
        WorkerReport report =
                worker.report(
                        r ->
                                session(r, "watched")
                                        .filter(
                                                s ->
                                                        s.getState()
                                                                == SessionState
                                                                        .SESSION_STATE_COMPLETED)
                                        .isPresent());
        assertThat(session(report, "watched").orElseThrow().getStateBytes()).isZero();
    }

    @Test
    void aSuspendedSessionGoesOnWithTheSameBitsAndItsNeighbourIsUndisturbed() throws Exception {
        worker.admit(WorkerProcess.spec("undisturbed", 42, Pacing.PACING_UNPACED, 12), 1);
        worker.admit(WorkerProcess.spec("suspended", 42, Pacing.PACING_UNPACED, 12), 1);
        waitForChunk(worker, "suspended", 2);

        assertThat(worker.suspend("suspended", 1).getState())
                .isEqualTo(SessionState.SESSION_STATE_SUSPENDED);
        waitForChunk(worker, "undisturbed", 11);
        long asleep = SessionLogReader.atEnd(store, "suspended").nextChunk();
        assertThat(asleep).isLessThan(12);
        assertThat(worker.resume("suspended", 1).getState())
                .isEqualTo(SessionState.SESSION_STATE_RUNNING);
        waitForChunk(worker, "suspended", 11);

        SessionLogReader undisturbed = SessionLogReader.atEnd(store, "undisturbed");
        SessionLogReader suspended = SessionLogReader.atEnd(store, "suspended");
        for (long k = 0; k < 12; k++) {
            assertThat(suspended.chunk(k).orElseThrow().getChunk().getLatents())
                    .as("latents of chunk %d", k)
                    .isEqualTo(undisturbed.chunk(k).orElseThrow().getChunk().getLatents());
            assertThat(suspended.chunk(k).orElseThrow().getChunk().getMedia())
                    .isEqualTo(undisturbed.chunk(k).orElseThrow().getChunk().getMedia());
        }
    }

    @Test
    void afterACrashAnotherWorkerGoesOnGaplesslyAndAStaleOwnerIsFenced() throws Exception {
        SessionSpec spec = WorkerProcess.spec("orphan", 3, Pacing.PACING_REALTIME, 0);
        try (WorkerProcess doomed = start("w-doomed").ready()) {
            doomed.admit(spec, 1);
            waitForChunk(doomed, "orphan", 1);
            doomed.kill();
        }

        long next = worker.admit(spec, 2).getNextChunk();
        assertThat(next).isGreaterThanOrEqualTo(2);
        waitForChunk(worker, "orphan", next + 1);
        // A third worker takes it over while this one still believes that it owns it.
        try (WorkerProcess heir = start("w-heir").ready()) {
            heir.admit(spec, 3);
            WorkerReport report =
                    worker.report(
                            r ->
                                    session(r, "orphan")
                                            .filter(
                                                    s ->
                                                            s.getState()
                                                                    == SessionState
                                                                            .SESSION_STATE_FAILED)
                                            .isPresent());
            assertThat(session(report, "orphan").orElseThrow().getLastError())
                    .isEqualTo("FENCED session orphan: epoch 2 is over, epoch 3 belongs to w-heir");
            long taken = SessionLogReader.atEnd(store, "orphan").nextChunk();
            waitForChunk(heir, "orphan", taken + 1);
        }

        long expected = 0;
        long epoch = 0;
        for (LogEntry entry : SessionLogReader.fromStart(store, "orphan").pollAll()) {
            assertThat(entry.getEpoch()).isGreaterThanOrEqualTo(epoch);
            epoch = entry.getEpoch();
            if (entry.hasChunk()) {
                assertThat(entry.getChunk().getChunk()).isEqualTo(expected++);
            }
        }
        assertThat(epoch).isEqualTo(3);
        assertThatThrownBy(() -> worker.admit(spec, 2))
                .hasMessageContaining("FAILED_PRECONDITION")
                .hasMessageContaining("STALE_EPOCH");
    }

    @Test
    void aPromptSentLiveIsAcknowledgedTwiceAndStandsInTheLog() throws Exception {
        worker.admit(WorkerProcess.spec("steered", 9, Pacing.PACING_UNPACED, 40), 1);
        waitForChunk(worker, "steered", 1);

        Iterator<ControlAck> acks =
                worker.sessions()
                        .control(
                                ControlRequest.newBuilder()
                                        .setSessionUid("steered")
                                        .addControls(
                                                Control.newBuilder()
                                                        .setKind("prompt")
                                                        .setText("the blue square"))
                                        .build());
        ControlAck received = acks.next();
        ControlAck applied = acks.next();

        assertThat(received.getStage()).isEqualTo(ControlAck.Stage.STAGE_RECEIVED);
        assertThat(applied.getStage()).isEqualTo(ControlAck.Stage.STAGE_APPLIED);
        assertThat(applied.getChunk()).isEqualTo(received.getChunk());
        SessionLogReader log = SessionLogReader.atEnd(store, "steered");
        assertThat(prompt(log, applied.getChunk())).isEqualTo("the blue square");
        assertThat(prompt(log, applied.getChunk() - 1)).isEqualTo("a red ball moves left");
    }

    @Test
    void aRewindAndAForkOverGrpcShowTheSameBitsAndTheControlsLatencyIsMeasured() throws Exception {
        worker.admit(WorkerProcess.spec("rewound", 9, Pacing.PACING_UNPACED, 60), 1);
        waitForChunk(worker, "rewound", 1);
        Iterator<ControlAck> acks =
                worker.sessions()
                        .control(
                                ControlRequest.newBuilder()
                                        .setSessionUid("rewound")
                                        .setRequestId("once")
                                        .setRewindTo(0)
                                        .build());
        long from = acks.next().getChunk();
        assertThat(acks.next().getStage()).isEqualTo(ControlAck.Stage.STAGE_APPLIED);
        worker.admit(
                WorkerProcess.spec("forked", 9, Pacing.PACING_UNPACED, 3).toBuilder()
                        .setFrom(Origin.newBuilder().setSessionUid("rewound").setChunk(0))
                        .build(),
                1);
        waitForChunk(worker, "forked", 1);

        SessionLogReader log = SessionLogReader.atEnd(store, "rewound");
        assertThat(log.chunk(from).orElseThrow().getChunk().getLatents())
                .isEqualTo(log.chunk(0).orElseThrow().getChunk().getLatents());
        SessionLogReader fork = SessionLogReader.atEnd(store, "forked");
        assertThat(fork.chunk(0).orElseThrow().getSessionUid()).isEqualTo("rewound");
        assertThat(fork.chunk(1).orElseThrow().getSessionUid()).isEqualTo("forked");
        assertThat(get("/q/metrics"))
                .contains("reelfleet_control_latency_seconds_bucket{kind=\"rewind\"");
        assertThatThrownBy(
                        () ->
                                worker.sessions()
                                        .control(
                                                ControlRequest.newBuilder()
                                                        .setSessionUid("rewound")
                                                        .build())
                                        .next())
                .hasMessageContaining("controls is empty and there is no rewind_to");
    }

    @Test
    void whatAPoolsRetentionSaysTheWorkerDoesAlsoWithDynamicSinks() throws Exception {
        try (WorkerProcess tidy =
                WorkerProcess.start(
                                folder,
                                "w-tidy",
                                Map.of(
                                        "reelfleet.model.uri",
                                        "file:" + model,
                                        "reelfleet.worker.pool",
                                        "default/tidy",
                                        "reelfleet.retention.after-finished",
                                        "1s",
                                        "reelfleet.retention.every",
                                        "200ms",
                                        "reelfleet.retention.live-chunks",
                                        "8",
                                        "reelfleet.model.retrieved-frames",
                                        "2",
                                        "reelfleet.model.bank-frames",
                                        "8"))
                        .ready()) {
            tidy.admit(ofPool("gone", 2), 1);
            tidy.admit(ofPool("trimmed", 0), 1);
            WorkerProcess.await(
                    "the ended session's chunks to go",
                    () -> store.list("sessions/gone/").isEmpty(),
                    tidy::output);
            WorkerProcess.await(
                    "the live session's oldest chunks to go",
                    () -> SessionLogReader.atEnd(store, "trimmed").firstChunk() > 0,
                    tidy::output);
            assertThat(store.folders("sessions/")).contains("trimmed");
            FindForkRequest fork =
                    FindForkRequest.newBuilder()
                            .setTerm(1)
                            .setSourceUid("trimmed")
                            .setChunk(SessionLogReader.atEnd(store, "trimmed").nextChunk() - 1)
                            .setNamespace("default")
                            .build();
            assertThat(tidy.commands().findFork(fork).getSentence()).isEmpty();

            // Released without an end, as by an operator that lost sight of it.
            tidy.commands()
                    .release(
                            ReleaseRequest.newBuilder()
                                    .setHeader(WorkerProcess.header("trimmed", 1))
                                    .build());
            WorkerReport named = tidy.report(r -> r.getUnendedCount() > 0);
            assertThat(named.getUnended(0).getSessionUid()).isEqualTo("trimmed");
            assertThat(store.folders("sessions/")).contains("trimmed");
            tidy.commands()
                    .keep(
                            KeepRequest.newBuilder()
                                    .setTerm(1)
                                    .setRequestId("nobody wants it")
                                    .addAllAbandoned(named.getUnendedList())
                                    .build());
            WorkerProcess.await(
                    "the chunks of who is wanted no longer to go",
                    () -> store.list("sessions/trimmed/").isEmpty(),
                    tidy::output);
            assertThat(tidy.commands().findFork(fork).getSentence())
                    .startsWith(
                            "spec.from.session: namespace default has no session trimmed whose chunks are stored");
        }
    }

    private static SessionSpec ofPool(String uid, long maxChunks) {
        return WorkerProcess.spec(uid, 3, Pacing.PACING_UNPACED, maxChunks).toBuilder()
                .setPool("default/tidy")
                .build();
    }

    @Test
    void withPacingViewerNobodyWatchingMeansNoChunksAndTheBufferIsKept() throws Exception {
        worker.admit(WorkerProcess.spec("seen", 5, Pacing.PACING_VIEWER, 0), 1);
        WorkerReport before = worker.report(r -> session(r, "seen").isPresent());
        assertThat(session(before, "seen").orElseThrow().getActive()).isFalse();
        assertThat(SessionLogReader.atEnd(store, "seen").nextChunk()).isZero();

        worker.sessions()
                .heartbeat(
                        HeartbeatRequest.newBuilder()
                                .setSessionUid("seen")
                                .setViewer("v")
                                .setPlayedS(0)
                                .build());
        waitForChunk(worker, "seen", 3);

        WorkerReport after = worker.report(r -> session(r, "seen").isPresent());
        assertThat(session(after, "seen").orElseThrow().getActive()).isTrue();
        // Three chunks of 0.75 s ahead, and at most two seconds that the viewer is taken to play
        // on.
        assertThat(SessionLogReader.atEnd(store, "seen").nextChunk()).isLessThanOrEqualTo(7);
    }

    @Test
    void whatACallerGetsWrongIsASentence() {
        assertRefused(
                WorkerProcess.spec("bad", -1, Pacing.PACING_UNPACED, 1),
                Status.Code.INVALID_ARGUMENT,
                "seed is -1: write a number from 0 on");
        assertRefused(
                WorkerProcess.spec("bad", 1, Pacing.PACING_UNPACED, 1).toBuilder()
                        .addControls(Control.newBuilder().setKind("camera"))
                        .build(),
                Status.Code.INVALID_ARGUMENT,
                "control 'camera' is not understood by model");
        assertRefused(
                WorkerProcess.spec("bad", 1, Pacing.PACING_UNPACED, 1).toBuilder()
                        .setControls(
                                0,
                                Control.newBuilder().setKind("prompt").setText("ball ".repeat(200)))
                        .build(),
                Status.Code.INVALID_ARGUMENT,
                "token");
        assertThatThrownBy(() -> worker.suspend("nobody", 1))
                .hasMessageContaining("NOT_FOUND")
                .hasMessageContaining("worker w-one has no session nobody");
    }

    @Test
    void anOldTermIsRefusedAndARepeatedRequestGetsTheSameAnswer() throws Exception {
        AdmitRequest request =
                AdmitRequest.newBuilder()
                        .setHeader(WorkerProcess.header("twice", 1))
                        .setSpec(WorkerProcess.spec("twice", 1, Pacing.PACING_UNPACED, 3))
                        .build();
        var first = worker.commands().admit(request);
        waitForChunk(worker, "twice", 2);

        assertThat(worker.commands().admit(request)).isEqualTo(first);
        assertThatThrownBy(
                        () ->
                                worker.commands()
                                        .admit(
                                                request.toBuilder()
                                                        .setHeader(
                                                                request.getHeader().toBuilder()
                                                                        .setTerm(0))
                                                        .build()))
                .hasMessageContaining("FAILED_PRECONDITION: STALE_TERM");
    }

    @Test
    void releasingWithEndClosesTheLogAndTheViewersStream() throws Exception {
        worker.admit(WorkerProcess.spec("released", 1, Pacing.PACING_REALTIME, 0), 1);
        CountDownLatch ended = new CountDownLatch(1);
        List<String> reasons = new ArrayList<>();
        worker.viewers()
                .watch(
                        WatchRequest.newBuilder().setSessionUid("released").build(),
                        new StreamObserver<>() {
                            @Override
                            public void onNext(ChunkEvent event) {
                                if (event.getEnd()) {
                                    reasons.add(event.getEndReason());
                                }
                            }

                            @Override
                            public void onError(Throwable t) {
                                reasons.add(t.toString());
                                ended.countDown();
                            }

                            @Override
                            public void onCompleted() {
                                ended.countDown();
                            }
                        });
        waitForChunk(worker, "released", 0);

        worker.commands()
                .release(
                        ReleaseRequest.newBuilder()
                                .setHeader(WorkerProcess.header("released", 1))
                                .setEnd(true)
                                .setReason("Deleted")
                                .build());

        assertThat(ended.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(reasons).containsExactly("Deleted");
        assertThat(SessionLogReader.atEnd(store, "released").end()).isPresent();
        assertThat(session(worker.report(r -> true), "released")).isEmpty();
    }

    @Test
    void readinessAndMetricsAreOnTheManagementPort() throws Exception {
        worker.admit(WorkerProcess.spec("measured", 1, Pacing.PACING_UNPACED, 1), 1);
        waitForChunk(worker, "measured", 0);

        assertThat(get("/q/health/ready")).contains("\"UP\"");
        assertThat(get("/q/metrics"))
                .contains("reelfleet_chunks_total")
                .contains("reelfleet_chunk_latency_seconds_bucket")
                .contains("reelfleet_sessions{state=\"running\"}")
                .doesNotContain("measured");
    }

    @Test
    void aTermSignalEndsTheProcessWithinSecondsAndTheLogStaysWhole() throws Exception {
        try (WorkerProcess other = start("w-stopped").ready()) {
            other.admit(WorkerProcess.spec("cut", 8, Pacing.PACING_UNPACED, 0), 1);
            waitForChunk(other, "cut", 2);

            other.process.destroy();

            assertThat(other.process.waitFor(10, TimeUnit.SECONDS)).as(other.output()).isTrue();
        }
        List<LogEntry> log = SessionLogReader.fromStart(store, "cut").pollAll();
        assertThat(log).hasSizeGreaterThan(3);
        assertThat(folder.resolve("w-stopped.json")).doesNotExist();
    }

    @Test
    void withAGraceAWorkerThatIsToldToEndGoesOnAndEndsJustBeforeItIsOver() throws Exception {
        try (WorkerProcess other =
                start("w-leaves", Map.of("reelfleet.worker.grace", "8s")).ready()) {
            other.admit(WorkerProcess.spec("goes-on", 8, Pacing.PACING_UNPACED, 0), 1);
            waitForChunk(other, "goes-on", 1);
            long told = System.nanoTime();

            other.process.destroy();

            WorkerReport report =
                    other.report(r -> r.getPhase() == WorkerPhase.WORKER_PHASE_DRAINING);
            assertThat(report.hasEndsBy()).isTrue();
            waitForChunk(other, "goes-on", report.getSessions(0).getNextChunk() + 2);
            assertThat(other.process.waitFor(8, TimeUnit.SECONDS)).as(other.output()).isTrue();
            assertThat(Duration.ofNanos(System.nanoTime() - told))
                    .isBetween(Duration.ofSeconds(4), Duration.ofSeconds(8));
            assertThat(other.output()).contains("the grace is nearly over: ending with 1 sessions");
        }
        List<Long> chunks =
                SessionLogReader.fromStart(store, "goes-on").pollAll().stream()
                        .filter(LogEntry::hasChunk)
                        .map(e -> e.getChunk().getChunk())
                        .toList();
        assertThat(chunks).isEqualTo(LongStream.range(0, chunks.size()).boxed().toList());
    }

    @Test
    void anEmptyWorkerAndOneThatIsToldTwiceEndAtOnceAlsoWithALongGrace() throws Exception {
        Map<String, String> grace = Map.of("reelfleet.worker.grace", "10m");
        try (WorkerProcess empty = start("w-empty", grace).ready();
                WorkerProcess busy = start("w-busy", grace).ready()) {
            busy.admit(WorkerProcess.spec("cut-short", 8, Pacing.PACING_UNPACED, 0), 1);
            waitForChunk(busy, "cut-short", 1);
            empty.process.destroy();
            busy.process.destroy();
            busy.report(r -> r.getPhase() == WorkerPhase.WORKER_PHASE_DRAINING);
            busy.process.destroy();
            assertThat(empty.process.waitFor(10, TimeUnit.SECONDS)).as(empty.output()).isTrue();
            assertThat(busy.process.waitFor(10, TimeUnit.SECONDS)).as(busy.output()).isTrue();
        }
    }

    @Test
    void aBadModelFolderIsReportedAndTheProcessStaysToSayWhy() throws Exception {
        Path broken = folder.resolve("broken");
        RandomModel.tiny().write(broken, 1);
        try (var shards =
                Files.newDirectoryStream(broken.resolve("transformer"), "*.safetensors")) {
            Files.delete(shards.iterator().next());
        }

        try (WorkerProcess other =
                WorkerProcess.start(
                        folder, "w-broken", Map.of("reelfleet.model.uri", "file:" + broken))) {
            WorkerReport report = other.report(r -> !r.getMessage().isEmpty());

            assertThat(report.getPhase().name()).isEqualTo("WORKER_PHASE_FAILED");
            assertThat(report.getMessage()).contains("transformer").contains("safetensors");
            assertThat(other.output()).contains(report.getMessage());
            assertThatThrownBy(
                            () ->
                                    other.admit(
                                            WorkerProcess.spec(
                                                    "never", 1, Pacing.PACING_UNPACED, 1),
                                            1))
                    .hasMessageContaining("FAILED_PRECONDITION")
                    .hasMessageContaining(report.getMessage());
        }
    }

    @Test
    void aCallerWhoLeftIsForgottenAndItsConnectionLivesOn() {
        for (int i = 0; i < 2; i++) {
            Iterator<WorkerReport> left =
                    worker.commands()
                            .withDeadlineAfter(1500, TimeUnit.MILLISECONDS)
                            .report(
                                    ReportRequest.newBuilder()
                                            .setTerm(1)
                                            .setOperator("left")
                                            .build());
            assertThatThrownBy(
                            () -> {
                                while (true) {
                                    left.next();
                                }
                            })
                    .hasMessageContaining("DEADLINE_EXCEEDED");
            assertThat(worker.report(r -> r.getSequence() > 1).getHello().getWorker())
                    .isEqualTo("w-one");
        }
    }

    @Test
    void aPortInUseIsOneSentenceAndExitCodeOne() throws Exception {
        Process second =
                WorkerProcess.launch(
                        folder,
                        "w-second",
                        Map.of(
                                "reelfleet.store",
                                "file:" + folder.resolve("store"),
                                "reelfleet.model.uri",
                                "file:" + model,
                                "quarkus.http.port",
                                Integer.toString(worker.port),
                                "quarkus.management.port",
                                "0"));

        assertThat(second.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(second.exitValue()).isEqualTo(1);
        assertThat(WorkerProcess.read(folder.resolve("w-second.log")).lines())
                .filteredOn(line -> !line.startsWith("WARNING"))
                .containsExactly(
                        "port %d on 127.0.0.1 is in use: set quarkus.http.port to another one, or 0 for any that is free"
                                .formatted(worker.port));
    }

    @Test
    void clearTextBeyondLoopbackIsRefused() throws Exception {
        Process open =
                WorkerProcess.launch(
                        folder,
                        "w-open",
                        Map.of(
                                "reelfleet.store",
                                "file:" + folder.resolve("store"),
                                "reelfleet.model.uri",
                                "file:" + model,
                                "reelfleet.listen-host",
                                "0.0.0.0",
                                "quarkus.http.port",
                                "0"));

        assertThat(open.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(open.exitValue()).isEqualTo(1);
        assertThat(WorkerProcess.read(folder.resolve("w-open.log")))
                .contains("reelfleet.listen-host 0.0.0.0 is reachable from outside")
                .contains("reelfleet.tls.dir");
    }

    private static void assertRefused(SessionSpec spec, Status.Code code, String sentence) {
        assertThatThrownBy(() -> worker.admit(spec, 1))
                .isInstanceOfSatisfying(
                        StatusRuntimeException.class,
                        e -> {
                            assertThat(e.getStatus().getCode()).isEqualTo(code);
                            assertThat(e.getStatus().getDescription()).contains(sentence);
                        });
    }

    private static void waitForChunk(WorkerProcess at, String uid, long chunk) throws Exception {
        SessionLogReader reader = SessionLogReader.fromStart(store, uid);
        WorkerProcess.await(
                "chunk %d of %s".formatted(chunk, uid),
                () -> {
                    reader.pollAll();
                    return reader.nextChunk() > chunk;
                },
                at::output);
    }

    private static Optional<SessionReport> session(WorkerReport report, String uid) {
        return report.getSessionsList().stream()
                .filter(s -> s.getSpec().getUid().equals(uid))
                .findFirst();
    }

    private static String prompt(SessionLogReader log, long chunk) throws Exception {
        return log.chunk(chunk).orElseThrow().getChunk().getControlsList().stream()
                .filter(c -> c.getKind().equals("prompt"))
                .map(Control::getText)
                .findFirst()
                .orElseThrow();
    }

    private static String get(String path) throws Exception {
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(
                            HttpRequest.newBuilder(
                                            URI.create(
                                                    "http://127.0.0.1:"
                                                            + worker.managementPort
                                                            + path))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
        }
    }
}
