package io.reelfleet.server.session;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.reelfleet.api.runtime.v1.ChunkStat;
import io.reelfleet.api.runtime.v1.CommandHeader;
import io.reelfleet.api.runtime.v1.Move;
import io.reelfleet.api.runtime.v1.MoveOutcome;
import io.reelfleet.api.runtime.v1.MoveReport;
import io.reelfleet.api.runtime.v1.MoveResponse;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.GenerationOverrides;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.transport.C10dBackend;
import io.reelfleet.migration.transport.C10dLink;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.TransferBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/**
 * {@code OUT [MOVES [LARGEST_MB]]}: two workers in this process move one session to and fro over
 * Gloo while it streams at its pace; how long it stands still, with pre-copy and without, and bytes
 * per second beside what c10d moves in the same run; for states of about 50 MB, 500 MB and 3 GB.
 * The larger ones are of a session that keeps a bank of frames which left its window: as large a
 * window takes hours to fill on a CPU. Then what a move under a rate cap costs other sessions of
 * both workers, and leaving the device and coming back. Figures go to the file OUT as JSON.
 */
public final class MoveBench {
    private static final int FRAMES_PER_CHUNK = 3;

    /**
     * What moves.
     *
     * @param windowFrames latent frames of 1.2 MB
     * @param bankFrames of those that left the window, as many are kept
     */
    private record Size(String name, String what, int windowFrames, int bankFrames, int moves) {
        RandomModel model() {
            return new RandomModel(
                    8,
                    8,
                    64,
                    256,
                    64,
                    8,
                    1,
                    96,
                    96,
                    FRAMES_PER_CHUNK,
                    windowFrames,
                    0,
                    bankFrames == 0 ? 2 : 1,
                    1,
                    DType.F32);
        }

        GenerationOverrides policy() {
            return bankFrames == 0
                    ? GenerationOverrides.none()
                    : new GenerationOverrides(
                            null, null, null, null, null, null, null, null, 1, bankFrames);
        }

        int chunks() {
            return (windowFrames + bankFrames) / FRAMES_PER_CHUNK + 2;
        }
    }

    private static final Size SMALL = new Size("", "50 MB", 45, 0, 20);
    private static final Size MIDDLE = new Size("500mb_", "500 MB", 6, 415, 6);
    private static final Size LARGE = new Size("3gb_", "3 GB", 6, 2_540, 2);

    private static final String SESSION = "bench-";
    private static final String OTHER = "other-";
    private static final long CAP = 100_000_000;
    private static final Duration UNDISTURBED = Duration.ofSeconds(8);
    private static final Duration PATIENCE = Duration.ofMinutes(5);
    private static final long RAW_BYTES = 1L << 30;
    private static final int RAW_PENDING = 3;
    private static final int PIECE = 16 << 20;

    private final ArrayNode figures = JsonMapper.builder().build().createArrayNode();
    private final ChunkStore store;
    private int moves;
    private long epoch = 1;

    private record Worker(String name, SessionLoop loop) {}

    private MoveBench(ChunkStore store) {
        this.store = store;
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 1) {
            System.err.println("usage: OUT [MOVES]");
            System.exit(2);
        }
        Path folder = Files.createTempDirectory("reelfleet-move-bench-");
        try {
            ChunkStore store =
                    ChunkStores.open(
                            Files.createDirectories(folder.resolve("store")).toUri().toString());
            int count = args.length > 1 ? Integer.parseInt(args[1]) : Integer.MAX_VALUE;
            int largest = args.length > 2 ? Integer.parseInt(args[2]) : 3_000;
            MoveBench bench = new MoveBench(store);
            bench.run(folder, SMALL, count);
            if (largest >= 500) {
                bench.run(folder, MIDDLE, count);
            }
            if (largest >= 3_000) {
                bench.run(folder, LARGE, count);
            }
            Files.writeString(Path.of(args[0]), bench.figures.toString());
        } finally {
            try (Stream<Path> files = Files.walk(folder)) {
                files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
            }
        }
        System.exit(0);
    }

    private void run(Path folder, Size size, int most) throws Exception {
        Path model = Files.createDirectories(folder.resolve("model-" + size.name()));
        size.model().write(model, 1);
        Worker a = worker(size.name() + "a", model, size);
        Worker b = worker(size.name() + "b", model, size);
        SessionSpec spec = spec(SESSION + size.moves(), Pacing.PACING_REALTIME);
        SessionSpec fast = spec.toBuilder().setPacing(Pacing.PACING_UNPACED).build();
        a.loop.admit(fast, ++epoch, 1, false, Optional.empty()).get();
        await(() -> stored(a, spec) > size.chunks(), "a full state");
        a.loop.update(spec.getUid(), epoch, spec).get();
        double interval = a.loop.model().orElseThrow().chunkIntervalSeconds() * 1000;
        List<MoveReport> with = new ArrayList<>();
        List<MoveReport> without = new ArrayList<>();
        Worker from = a;
        Worker to = b;
        for (int i = 0; i < 2 * Math.min(most, size.moves()); i++) {
            (i % 2 == 0 ? with : without).add(move(from, to, spec, i % 2 == 1, 0));
            Worker swap = from;
            from = to;
            to = swap;
        }
        long bytes = without.getFirst().getPrecopyBytes() + without.getFirst().getRestBytes();
        raw(bytes);
        double raw = median(List.of(raw(bytes), raw(bytes), raw(bytes)));
        figure(
                size.name() + "state_mb",
                "a session's state (" + size.what() + ")",
                bytes / 1e6,
                "MB",
                Double.NaN,
                "");
        pauses(size.name() + "precopy", "with pre-copy", with, interval);
        pauses(size.name() + "stop_and_copy", "without", without, interval);
        double rate =
                median(without.stream().map(r -> r.getRestBytes() / r.getPauseS() / 1e9).toList());
        figure(
                size.name() + "state_gb_per_s",
                "state moved, from standing still to committed, without pre-copy",
                rate,
                "GB/s",
                raw,
                "raw c10d in this run");
        double copying =
                median(
                        with.stream()
                                .filter(r -> r.getSeconds() > r.getPauseS())
                                .map(
                                        r ->
                                                r.getPrecopyBytes()
                                                        / (r.getSeconds() - r.getPauseS())
                                                        / 1e9)
                                .toList());
        figure(
                size.name() + "precopy_gb_per_s",
                "sent while the session generated on, from the first byte to the cut",
                copying,
                "GB/s",
                raw,
                "raw c10d in this run");
        figure(
                size.name() + "share_of_raw_percent",
                "share of the raw rate, without pre-copy",
                100 * rate / raw,
                "%",
                90,
                "goal, idle machine");
        if (size == SMALL) {
            offload(from, spec, bytes);
        }
        if (size == MIDDLE) {
            others(from, to, spec);
        }
        a.loop.stop();
        b.loop.stop();
    }

    private static SessionSpec spec(String uid, Pacing pacing) {
        return SessionSpec.newBuilder()
                .setUid(uid)
                .setName(uid)
                .setNamespace("default")
                .setSeed(1)
                .setPacing(pacing)
                .addControls(Control.newBuilder().setKind("prompt").setText("a red ball"))
                .build();
    }

    /** Off the device into host memory and back, as the operator orders it. */
    private void offload(Worker on, SessionSpec spec, long bytes) throws Exception {
        List<Double> out = new ArrayList<>();
        List<Double> back = new ArrayList<>();
        for (int i = 0; i < SMALL.moves(); i++) {
            long before = stored(on, spec);
            await(() -> stored(on, spec) > before, "a chunk");
            long started = System.nanoTime();
            on.loop.suspend(spec.getUid(), epoch).get();
            long parted = System.nanoTime();
            on.loop.resume(spec.getUid(), epoch, Optional.empty()).get();
            out.add((parted - started) / 1e6);
            back.add((System.nanoTime() - parted) / 1e6);
        }
        String whose = "%.0f MB, between two chunks".formatted(bytes / 1e6);
        figure("suspend_p50_ms", "suspended, p50", median(out), "ms", Double.NaN, whose);
        figure("resume_p50_ms", "resumed, p50", median(back), "ms", Double.NaN, whose);
    }

    /** What other sessions of both workers generate while one moves, beside what they do else. */
    private void others(Worker from, Worker to, SessionSpec spec) throws Exception {
        SessionSpec there = spec(OTHER + "there", Pacing.PACING_UNPACED);
        SessionSpec here = spec(OTHER + "here", Pacing.PACING_UNPACED);
        from.loop.admit(here, ++epoch, 1, false, Optional.empty()).get();
        to.loop.admit(there, epoch, 1, false, Optional.empty()).get();
        await(() -> stored(from, here) > 4 && stored(to, there) > 4, "other sessions");
        Worker source = from;
        Worker target = to;
        SessionSpec first = here;
        SessionSpec second = there;
        for (long cap : new long[] {CAP, 0}) {
            double alone = chunksPerSecond(source, first, target, second, UNDISTURBED, null);
            List<MoveReport> reports = new ArrayList<>();
            Worker s = source;
            Worker t = target;
            Run one = () -> reports.add(move(s, t, spec, false, cap));
            double beside = chunksPerSecond(source, first, target, second, Duration.ZERO, one);
            MoveReport report = reports.getFirst();
            String how = cap == 0 ? "uncapped" : "capped";
            String what = cap == 0 ? "without a cap" : "at %d MB/s".formatted(cap / 1_000_000);
            figure(
                    "others_" + how + "_percent",
                    "chunks of other sessions while one of %.0f MB moves %s, in %.1f s"
                            .formatted(
                                    (report.getPrecopyBytes() + report.getRestBytes()) / 1e6,
                                    what,
                                    report.getSeconds()),
                    100 * beside / alone,
                    "%",
                    100,
                    "undisturbed, in this run");
            source = t;
            target = s;
            // The others stay where they are.
            SessionSpec swap = first;
            first = second;
            second = swap;
        }
    }

    private interface Run {
        void run() throws Exception;
    }

    private double chunksPerSecond(
            Worker one,
            SessionSpec first,
            Worker two,
            SessionSpec second,
            Duration time,
            Run beside)
            throws Exception {
        long before = stored(one, first) + stored(two, second);
        long started = System.nanoTime();
        if (beside == null) {
            Thread.sleep(time);
        } else {
            beside.run();
        }
        double seconds = (System.nanoTime() - started) / 1e9;
        return (stored(one, first) + stored(two, second) - before) / seconds;
    }

    private void pauses(String name, String what, List<MoveReport> reports, double interval) {
        List<Double> waits = reports.stream().map(r -> r.getPauseS() * 1000).sorted().toList();
        figure(
                name + "_wait_p50_ms",
                "a session stands still, " + what + ", p50",
                at(waits, 0.5),
                "ms",
                25,
                "goal; the paper: 23-30 end to end, TeleFuser 48-91");
        figure(name + "_wait_p95_ms", "p95", at(waits, 0.95), "ms", interval, "one chunk interval");
        figure(
                name + "_wait_worst_ms",
                "worst of " + waits.size(),
                waits.getLast(),
                "ms",
                interval,
                "one chunk interval");
    }

    private static double at(List<Double> sorted, double share) {
        return sorted.get((int) Math.min(sorted.size() - 1, Math.floor(share * sorted.size())));
    }

    private static double median(List<Double> values) {
        return at(values.stream().sorted().toList(), 0.5);
    }

    private void figure(
            String name, String what, double value, String unit, double limit, String whose) {
        System.out.printf(Locale.ROOT, "%s: %.2f %s%n", name, value, unit);
        figures.addObject()
                .put("name", name)
                .put("what", what)
                .put("value", value)
                .put("unit", unit)
                .put("limit", limit)
                .put("whose", whose);
    }

    /**
     * What c10d alone moves, in pieces of the same size, as many on their way, in GB/s: at least a
     * gigabyte, out of memory and into memory of the state's size.
     */
    private static double raw(long bytes) throws Exception {
        long size = Math.ceilDiv(bytes, PIECE) * PIECE;
        try (C10dLink.Listener listener =
                C10dLink.listen(C10dBackend.GLOO, "127.0.0.1", PATIENCE)) {
            CompletableFuture<Void> sender =
                    CompletableFuture.runAsync(
                            () -> {
                                try (Link link =
                                                C10dLink.connect(
                                                        C10dBackend.GLOO,
                                                        "127.0.0.1",
                                                        "127.0.0.1",
                                                        listener.port(),
                                                        PATIENCE);
                                        TransferBuffer buffer = new TransferBuffer(size)) {
                                    buffer.memory().fill((byte) 1);
                                    inFlight(size, at -> link.beginSend(piece(buffer, at)));
                                } catch (IOException e) {
                                    throw new IllegalStateException(e);
                                }
                            });
            try (Link link = listener.accept(PATIENCE);
                    TransferBuffer buffer = new TransferBuffer(size)) {
                buffer.memory().fill((byte) 1);
                long started = System.nanoTime();
                long all = inFlight(size, at -> link.beginReceive(piece(buffer, at)));
                double rate = (double) all / (System.nanoTime() - started);
                sender.get();
                return rate;
            }
        }
    }

    private static MemorySegment piece(TransferBuffer buffer, long at) {
        return buffer.memory().asSlice(at, PIECE);
    }

    private interface Begin {
        Link.Pending at(long offset) throws IOException;
    }

    /** Piece by piece, over and over; how many bytes that were. */
    private static long inFlight(long size, Begin each) throws IOException {
        Deque<Link.Pending> pending = new ArrayDeque<>();
        long all = 0;
        while (all < RAW_BYTES) {
            for (long at = 0; at < size; at += PIECE) {
                if (pending.size() == RAW_PENDING) {
                    try (Link.Pending first = pending.remove()) {
                        first.await(PATIENCE);
                    }
                }
                pending.add(each.at(at));
                all += PIECE;
            }
        }
        while (!pending.isEmpty()) {
            try (Link.Pending first = pending.remove()) {
                first.await(PATIENCE);
            }
        }
        return all;
    }

    private Worker worker(String name, Path model, Size size) throws Exception {
        SessionLoop loop =
                new SessionLoop(
                        new LoopSettings(
                                name,
                                name + ":1",
                                Duration.ofSeconds(1),
                                Duration.ofMinutes(5),
                                new PaceSettings(3, Duration.ofSeconds(10))),
                        MoveSettings.defaults(),
                        store,
                        () ->
                                new EngineGenerators(
                                        Engine.load(
                                                ModelFolder.of(model),
                                                EngineOptions.defaults().with(size.policy()))),
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
        await(() -> loop.phase() == SessionLoop.Phase.READY, "a worker");
        return new Worker(name, loop);
    }

    private static long stored(Worker worker, SessionSpec spec) {
        return worker.loop.sessions().stream()
                .filter(session -> session.getSpec().getUid().equals(spec.getUid()))
                .mapToLong(SessionReport::getNextChunk)
                .findFirst()
                .orElse(0);
    }

    private MoveReport move(
            Worker from, Worker to, SessionSpec spec, boolean withoutPrecopy, long bytesPerSecond)
            throws Exception {
        long before = epoch(from, spec);
        Move move =
                Move.newBuilder()
                        .setId("m" + moves++)
                        .setSessionUid(spec.getUid())
                        .setSource(from.name)
                        .setTarget(to.name)
                        .setEpoch(++epoch)
                        .build();
        MoveResponse place =
                to.loop
                        .prepareMove(
                                PrepareMoveRequest.newBuilder().setMove(move).setSpec(spec).build())
                        .get();
        from.loop
                .startMove(
                        StartMoveRequest.newBuilder()
                                .setHeader(CommandHeader.newBuilder().setEpoch(before))
                                .setMove(move)
                                .setHost(place.getHost())
                                .setPort(place.getPort())
                                .setWithoutPrecopy(withoutPrecopy)
                                .setBytesPerSecond(bytesPerSecond)
                                .build())
                .get();
        await(() -> report(from, move).isPresent(), "a move");
        MoveReport report = report(from, move).orElseThrow();
        if (report.getOutcome() != MoveOutcome.MOVE_OUTCOME_GONE) {
            throw new IllegalStateException("a move failed: " + report.getSentence());
        }
        await(() -> stored(to, spec) > 0, "a session that came");
        return report;
    }

    private static long epoch(Worker worker, SessionSpec spec) {
        return worker.loop.sessions().stream()
                .filter(session -> session.getSpec().getUid().equals(spec.getUid()))
                .mapToLong(SessionReport::getEpoch)
                .findFirst()
                .orElseThrow();
    }

    private static Optional<MoveReport> report(Worker worker, Move move) {
        return worker.loop.moves().stream()
                .filter(r -> r.getMove().getId().equals(move.getId()))
                .filter(r -> r.getOutcome() != MoveOutcome.MOVE_OUTCOME_UNSPECIFIED)
                .findFirst();
    }

    private interface Condition {
        boolean holds();
    }

    private static void await(Condition condition, String what) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("waited too long for " + what);
            }
            Thread.sleep(5);
        }
    }
}
