package io.reelfleet.engine.tool;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.GenerationOverrides;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.DType;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * {@code OUT [--python PYTHON --training DIR] [--rounds N] [--sessions N]}: the engine on one
 * thread beside PyTorch eager with the same weights, suspend and resume beside a plain copy, memory
 * beside its formula, and what many sessions leave behind. Figures go to the file OUT as JSON.
 *
 * <p>Both take turns in short pieces, and what is compared is the median of the turns' ratios: a
 * machine that does other things meanwhile slows both down.
 */
public final class EngineBench {
    /** 36 million parameters, 36 tokens per latent frame. */
    private static final RandomModel MODEL =
            new RandomModel(8, 8, 64, 2048, 64, 16, 1, 96, 96, 3, 9, 0, 4, 1, DType.F32);

    private static final String PARTS = "speed,beside,controls,offload,memory,sessions";
    private static final int[] BATCHES = {1, 2, 4, 8};
    private static final int MOST_SESSIONS = 8;
    private static final int BESIDE_ROUNDS = 3;
    private static final int IN_MEMORY = 5;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /** Time of some work. */
    record Seconds(double wall, double cpu) {}

    /** A figure of bench.json. */
    private record Figure(
            String name, String what, double value, String unit, double limit, String whose) {}

    private final PrintStream progress;
    private final int rounds;
    private final int openings;
    private final List<Figure> figures = new ArrayList<>();

    private EngineBench(PrintStream progress, int rounds, int openings) {
        this.progress = progress;
        this.rounds = rounds;
        this.openings = openings;
    }

    public static void main(String[] args) {
        try {
            Map<String, String> given = new LinkedHashMap<>();
            for (int i = 1; i + 1 < args.length; i += 2) {
                given.put(args[i], args[i + 1]);
            }
            if (args.length % 2 == 0) {
                throw new IllegalArgumentException(
                        "usage: OUT [--python PYTHON --training DIR] [--rounds N] [--sessions N]");
            }
            if (args[0].equals("memory-of")) {
                printMemory(Path.of(given.get("--model")));
                return;
            }
            EngineBench bench =
                    new EngineBench(
                            System.out,
                            Integer.parseInt(given.getOrDefault("--rounds", "7")),
                            Integer.parseInt(given.getOrDefault("--sessions", "10000")));
            bench.run(
                    given.get("--python"),
                    given.get("--training"),
                    List.of(given.getOrDefault("--parts", PARTS).split(",")));
            bench.write(Path.of(args[0]));
        } catch (Exception e) {
            System.err.println(e.getMessage() == null ? e.toString() : e.getMessage());
            System.exit(1);
        }
    }

    private void run(String python, String training, List<String> parts) throws Exception {
        Path folder = Files.createTempDirectory("reelfleet-bench-");
        Path model = folder.resolve("model");
        try {
            progress.println("  writing a random model of 36 M parameters");
            MODEL.write(model, 1);
            try (Engine engine = Engine.load(ModelFolder.of(model), options())) {
                if (parts.contains("speed")) {
                    try (EagerRival rival = rival(python, training, model)) {
                        speed(engine, rival);
                    }
                }
                if (parts.contains("beside")) {
                    beside(engine);
                }
                if (parts.contains("controls")) {
                    controls(engine);
                }
            }
            if (parts.contains("offload")) {
                try (Engine engine = Engine.load(ModelFolder.of(model), largeStates())) {
                    offload(engine);
                }
            }
            if (parts.contains("memory")) {
                memory(model);
            }
            if (parts.contains("sessions")) {
                openings(folder.resolve("tiny"));
            }
        } finally {
            delete(folder);
        }
    }

    private EagerRival rival(String python, String training, Path model) {
        if (python == null || training == null) {
            progress.println(
                    "  PyTorch is not measured: name a Python with torch and safetensors by REELFLEET_PYTHON");
            return null;
        }
        try {
            EagerRival rival =
                    EagerRival.start(
                            python,
                            Path.of(training),
                            model,
                            List.of(
                                    "--window", String.valueOf(MODEL.windowFrames()),
                                    "--height", String.valueOf(MODEL.height() / 8),
                                    "--width", String.valueOf(MODEL.width() / 8),
                                    "--frames", String.valueOf(MODEL.framesPerChunk()),
                                    "--text-len", "16",
                                    "--steps", String.valueOf(MODEL.steps())));
            progress.println("  beside PyTorch " + rival.version() + ", eager");
            return rival;
        } catch (IOException e) {
            progress.println("  PyTorch is not measured: " + e.getMessage());
            return null;
        }
    }

    // Speed.

    private void speed(Engine engine, EagerRival rival) throws Exception {
        List<EngineSession> sessions = new ArrayList<>();
        for (int i = 0; i < MOST_SESSIONS; i++) {
            EngineSession session =
                    engine.open(new SessionParameters("bench-" + i, i, "a red ball moves left"));
            sessions.add(session);
        }
        progress.println("  filling the windows of " + MOST_SESSIONS + " sessions");
        for (int chunk = 0; chunk < MODEL.windowFrames() / MODEL.framesPerChunk(); chunk++) {
            for (EngineSession session : sessions) {
                next(session);
            }
        }
        chunk(engine, rival, sessions.getFirst());
        for (int batch : BATCHES) {
            passes(engine, rival, sessions.subList(0, batch));
        }
        sessions.forEach(EngineSession::close);
    }

    private void chunk(Engine engine, EagerRival rival, EngineSession session) throws IOException {
        List<Seconds> transformer = new ArrayList<>();
        List<Seconds> decode = new ArrayList<>();
        List<Double> transformerRatio = new ArrayList<>();
        List<Double> decodeRatio = new ArrayList<>();
        for (int round = -1; round < rounds; round++) {
            progress.println("  chunk, turn " + (round + 1) + " of " + rounds);
            Seconds ours =
                    time(
                            () -> {
                                while (!session.step()) {
                                    // one denoising step at a time
                                }
                            });
            Seconds oursDecode = time(session::takeChunk);
            Seconds theirs = rival == null ? null : rival.run("chunk");
            Seconds theirsDecode = rival == null ? null : rival.run("decode");
            if (round < 0) {
                continue;
            }
            transformer.add(ours);
            decode.add(oursDecode);
            if (rival != null) {
                transformerRatio.add(theirs.cpu() / ours.cpu());
                decodeRatio.add(theirsDecode.cpu() / oursDecode.cpu());
            }
        }
        double transformerMs = 1e3 * median(transformer.stream().map(Seconds::cpu).toList());
        double decodeMs = 1e3 * median(decode.stream().map(Seconds::cpu).toList());
        add(
                "chunk_transformer_ms",
                "chunk: transformer, batch 1 (processor time)",
                transformerMs,
                "ms",
                rival == null ? Double.NaN : transformerMs * median(transformerRatio),
                "PyTorch eager");
        add(
                "chunk_decode_ms",
                "chunk: VAE decode (processor time)",
                decodeMs,
                "ms",
                rival == null ? Double.NaN : decodeMs * median(decodeRatio),
                "PyTorch eager");
        if (rival != null) {
            add(
                    "chunk_transformer_speedup",
                    "chunk: transformer, speed over PyTorch",
                    median(transformerRatio),
                    "x",
                    1,
                    "goal");
            add(
                    "chunk_decode_speedup",
                    "chunk: VAE decode, speed over PyTorch",
                    median(decodeRatio),
                    "x",
                    1,
                    "goal");
        }
    }

    private void passes(Engine engine, EagerRival rival, List<EngineSession> sessions)
            throws IOException {
        int batch = sessions.size();
        List<Double> ours = new ArrayList<>();
        List<Double> oursWall = new ArrayList<>();
        List<Double> ratio = new ArrayList<>();
        // Sessions at different steps, as in a fleet.
        for (int i = 0; i < batch; i++) {
            for (int step = 0; step < i % MODEL.steps(); step++) {
                sessions.get(i).step();
            }
        }
        for (int round = -1; round < rounds; round++) {
            progress.println("  batch " + batch + ", turn " + (round + 1) + " of " + rounds);
            Seconds mine = time(() -> engine.step(sessions));
            sessions.forEach(EngineBench::takeIfReady);
            Seconds theirs = rival == null ? null : rival.run("pass " + batch);
            if (round >= 0) {
                ours.add(mine.cpu() / batch);
                oursWall.add(mine.wall() / batch);
                if (rival != null) {
                    ratio.add(theirs.cpu() / mine.cpu());
                }
            }
        }
        sessions.forEach(EngineBench::finishChunk);
        double tokens = MODEL.framesPerChunk() * (MODEL.width() / 16.0) * (MODEL.height() / 16.0);
        double mine = median(ours);
        add(
                "step_ms_batch_" + batch,
                "denoising step per session, batch " + batch + " (processor time)",
                1e3 * mine,
                "ms",
                rival == null ? Double.NaN : 1e3 * mine * median(ratio),
                "PyTorch eager");
        add(
                "step_tokens_per_s_batch_" + batch,
                "tokens per second, batch " + batch + " (by the clock)",
                tokens / median(oursWall),
                "1/s",
                Double.NaN,
                "");
        if (rival != null) {
            add(
                    "step_speedup_batch_" + batch,
                    "denoising step, batch " + batch + ", speed over PyTorch",
                    median(ratio),
                    "x",
                    1,
                    "goal");
        }
    }

    // Decode beside the steps.

    /**
     * Time per chunk by the clock where the decodes run in turns with the steps on one thread, and
     * where they run on a second one; all sessions in one batch, each at a step of its own.
     */
    private void beside(Engine engine) throws Exception {
        List<EngineSession> sessions = new ArrayList<>();
        for (int count : new int[] {1, 2, 4}) {
            while (sessions.size() < count) {
                int i = sessions.size();
                sessions.add(
                        engine.open(
                                new SessionParameters("beside-" + i, i, "a red ball moves left")));
            }
            for (int i = 0; i < count; i++) {
                for (int step = 0; step < i % MODEL.steps(); step++) {
                    sessions.get(i).step();
                }
            }
            List<Double> turns = new ArrayList<>();
            List<Double> beside = new ArrayList<>();
            List<Double> ratio = new ArrayList<>();
            // The first round fills the windows.
            for (int round = -1; round < BESIDE_ROUNDS; round++) {
                progress.println(
                        "  "
                                + count
                                + " sessions, decode in turns and beside, turn "
                                + (round + 1)
                                + " of "
                                + BESIDE_ROUNDS);
                double inTurns = secondsPerChunk(engine, sessions, false);
                double onItsOwn = secondsPerChunk(engine, sessions, true);
                if (round >= 0) {
                    turns.add(inTurns);
                    beside.add(onItsOwn);
                    ratio.add(inTurns / onItsOwn);
                }
            }
            sessions.forEach(EngineBench::finishChunk);
            add(
                    "beside_chunk_ms_sessions_" + count,
                    "chunk, decode beside the steps, " + count + " sessions (by the clock)",
                    1e3 * median(beside),
                    "ms",
                    1e3 * median(turns),
                    "decode in turns");
            add(
                    "beside_speedup_sessions_" + count,
                    "chunks per second, decode beside over in turns, " + count + " sessions",
                    median(ratio),
                    "x",
                    Double.NaN,
                    "");
        }
        sessions.forEach(EngineSession::close);
    }

    /** Two chunks of every session. */
    private static double secondsPerChunk(
            Engine engine, List<EngineSession> sessions, boolean beside) {
        List<CompletableFuture<GeneratedChunk>> decoding = new ArrayList<>();
        int chunks = 2 * sessions.size();
        int made = 0;
        long start = System.nanoTime();
        while (made < chunks) {
            engine.step(sessions);
            for (EngineSession session : sessions) {
                if (!session.hasChunk()) {
                    continue;
                }
                if (beside) {
                    decoding.add(session.decodeBeside());
                } else {
                    session.takeChunk();
                }
                made++;
            }
        }
        decoding.forEach(CompletableFuture::join);
        return (System.nanoTime() - start) / 1e9 / chunks;
    }

    private static void takeIfReady(EngineSession session) {
        if (session.hasChunk()) {
            session.takeChunk();
        }
    }

    private static void finishChunk(EngineSession session) {
        if (session.midChunk()) {
            next(session);
        }
    }

    private static GeneratedChunk next(EngineSession session) {
        while (!session.step()) {
            // one denoising step at a time
        }
        return session.takeChunk();
    }

    private static Seconds time(Runnable work) {
        long wall = System.nanoTime();
        long cpu = THREADS.getCurrentThreadCpuTime();
        work.run();
        return new Seconds(
                (System.nanoTime() - wall) / 1e9, (THREADS.getCurrentThreadCpuTime() - cpu) / 1e9);
    }

    // Controls.

    /**
     * From a prompt that comes in the middle of a chunk to the first frames that are made under it.
     */
    private void controls(Engine engine) throws Exception {
        progress.println("  from a new prompt to the first changed frame");
        for (PromptSwitch how : PromptSwitch.values()) {
            List<Double> times = new ArrayList<>();
            try (EngineSession session = full(engine, 1)) {
                for (int round = 0; round < rounds; round++) {
                    session.step();
                    session.setPrompt(round % 2 == 0 ? "a blue square" : "a red ball", how);
                    times.add(
                            time(() -> {
                                        next(session);
                                        next(session);
                                    })
                                    .cpu());
                }
            }
            String name = how == PromptSwitch.REFRESH_CACHE ? "refresh" : "keep";
            add(
                    "prompt_to_frame_ms_" + name,
                    "new prompt to first changed frame, cache "
                            + (how == PromptSwitch.REFRESH_CACHE ? "refreshed" : "kept")
                            + " (processor time)",
                    1e3 * median(times),
                    "ms",
                    Double.NaN,
                    "");
        }
    }

    // Offload.

    private void offload(Engine engine) throws Exception {
        progress.println("  suspend and resume beside a plain copy");
        try (EngineSession session = engine.open(new SessionParameters("bench", 1, "a red ball"))) {
            for (int chunk = 0; chunk < MODEL.windowFrames() / MODEL.framesPerChunk(); chunk++) {
                next(session);
            }
            session.suspend();
            long bytes = session.stateBytes();
            session.resume();
            List<Double> suspend = new ArrayList<>();
            List<Double> resume = new ArrayList<>();
            List<Double> copy = new ArrayList<>();
            List<Double> suspendShare = new ArrayList<>();
            List<Double> resumeShare = new ArrayList<>();
            List<Double> suspendBeside = new ArrayList<>();
            List<Double> resumeBeside = new ArrayList<>();
            try (Scalar one = new Scalar(1.0);
                    Tensor from = Tensors.owned(() -> Tensors.zeros(bytes / Float.BYTES));
                    Tensor to = Tensors.owned(() -> Tensors.zeros(bytes / Float.BYTES))) {
                // Memory that was written: unwritten pages are all one page of zeros.
                from.fill_(one);
                to.fill_(one);
                for (int round = -2; round < 3 * rounds; round++) {
                    double plain = time(() -> Tensors.copy(from, to)).cpu();
                    double out = time(session::suspend).cpu();
                    double back = time(session::resume).cpu();
                    if (round >= 0) {
                        copy.add(bytes / plain / 1e9);
                        suspend.add(bytes / out / 1e9);
                        resume.add(bytes / back / 1e9);
                        suspendShare.add(100 * plain / out);
                        resumeShare.add(100 * plain / back);
                    }
                }
                for (int round = -2; round < 3 * rounds; round++) {
                    double out = time(session::beginSuspend).cpu();
                    while (engine.settling()) {
                        out += time(engine::settle).cpu();
                    }
                    double back = 0;
                    boolean[] there = {false};
                    while (!there[0]) {
                        back += time(() -> there[0] = session.tryResume()).cpu();
                    }
                    if (round >= 0) {
                        suspendBeside.add(1e3 * out);
                        resumeBeside.add(1e3 * back);
                    }
                }
            }
            add(
                    "suspend_engine_thread_ms",
                    "suspend beside the steps: time of the engine's thread",
                    median(suspendBeside),
                    "ms",
                    Double.NaN,
                    "");
            add(
                    "resume_engine_thread_ms",
                    "resume beside the steps: time of the engine's thread",
                    median(resumeBeside),
                    "ms",
                    Double.NaN,
                    "");
            add(
                    "memcpy_gb_per_s",
                    "plain copy of a session's bytes",
                    median(copy),
                    "GB/s",
                    Double.NaN,
                    "");
            add("suspend_gb_per_s", "suspend", median(suspend), "GB/s", Double.NaN, "");
            add("resume_gb_per_s", "resume", median(resume), "GB/s", Double.NaN, "");
            add(
                    "suspend_percent_of_memcpy",
                    "suspend beside the plain copy",
                    median(suspendShare),
                    "%",
                    80,
                    "goal");
            add(
                    "resume_percent_of_memcpy",
                    "resume beside the plain copy",
                    median(resumeShare),
                    "%",
                    80,
                    "goal");
        }
    }

    // Memory.

    /**
     * In a JVM of its own, whose heap is all there from the start, and with a malloc that gives
     * large pieces back at once: what is resident is what is in use, and nothing that was there
     * before is used again unseen.
     */
    private void memory(Path model) throws Exception {
        progress.println("  memory of " + IN_MEMORY + " sessions beside the formula");
        if (!Files.exists(Path.of("/proc/self/status"))) {
            return;
        }
        ProcessBuilder builder =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xms192m",
                                "-Xmx192m",
                                "-XX:+AlwaysPreTouch",
                                "-XX:+UseSerialGC",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                System.getProperty("java.class.path"),
                                EngineBench.class.getName(),
                                "memory-of",
                                "--model",
                                model.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("MALLOC_MMAP_THRESHOLD_", "65536");
        builder.environment().put("MALLOC_ARENA_MAX", "1");
        Process process = builder.start();
        String answer;
        try (var reader = process.inputReader()) {
            answer = reader.readLine();
        }
        if (process.waitFor() != 0 || answer == null) {
            throw new IOException("the program that measures memory failed");
        }
        String[] numbers = answer.split(" ");
        double grown = Double.parseDouble(numbers[0]);
        double formula = Double.parseDouble(numbers[1]);
        double peak = Double.parseDouble(numbers[2]);
        add(
                "session_memory_formula_mb",
                IN_MEMORY + " sessions' memory, by the formula",
                formula / 1e6,
                "MB",
                Double.NaN,
                "");
        add(
                "session_memory_percent_of_formula",
                "memory measured beside the formula",
                100 * grown / formula,
                "%",
                105,
                "goal");
        add(
                "working_memory_mb",
                "peak above that, while each generates a chunk",
                (peak - grown) / 1e6,
                "MB",
                Double.NaN,
                "");
    }

    private static void printMemory(Path model) throws Exception {
        try (Engine engine = Engine.load(ModelFolder.of(model), largeStates())) {
            List<EngineSession> sessions = new ArrayList<>();
            // The first one leaves behind what the JVM and LibTorch keep.
            sessions.add(full(engine, 0));
            long before = residentBytes();
            for (int i = 0; i < IN_MEMORY; i++) {
                sessions.add(full(engine, 1 + i));
            }
            long grown = residentBytes() - before;
            // From here on the kernel counts the peak anew.
            Files.writeString(Path.of("/proc/self/clear_refs"), "5");
            sessions.subList(1, 1 + IN_MEMORY).forEach(EngineBench::next);
            long peak = status("VmHWM:") - status("VmRSS:") + grown;
            sessions.forEach(EngineSession::close);
            System.out.println(
                    grown + " " + IN_MEMORY * engine.model().sessionBytes() + " " + peak);
        }
    }

    private static EngineOptions options() {
        return new EngineOptions(1, 6L << 30, 6L << 30, GenerationOverrides.none());
    }

    /**
     * The same model with larger frames and one denoising step: sessions' states are nearer to real
     * ones in size.
     */
    private static EngineOptions largeStates() {
        return options().with(new GenerationOverrides(192, 192, null, 1, null, null, null));
    }

    /** Makes glibc give free memory back, so that what is resident is what is in use. */
    @SuppressWarnings("restricted")
    private static void trim() {
        Linker linker = Linker.nativeLinker();
        linker.defaultLookup()
                .find("malloc_trim")
                .ifPresent(
                        address -> {
                            try {
                                int _ =
                                        (int)
                                                linker.downcallHandle(
                                                                address,
                                                                FunctionDescriptor.of(
                                                                        ValueLayout.JAVA_INT,
                                                                        ValueLayout.JAVA_LONG))
                                                        .invokeExact(0L);
                            } catch (Throwable e) {
                                throw new IllegalStateException(e);
                            }
                        });
    }

    private static EngineSession full(Engine engine, int i) throws Exception {
        EngineSession session = engine.open(new SessionParameters("bench-" + i, i, "a red ball"));
        for (int chunk = 0; chunk < MODEL.windowFrames() / MODEL.framesPerChunk(); chunk++) {
            next(session);
        }
        return session;
    }

    private static long residentBytes() throws IOException {
        System.gc();
        trim();
        return status("RssAnon:");
    }

    private static long status(String field) throws IOException {
        return 1024
                * Files.readAllLines(Path.of("/proc/self/status")).stream()
                        .filter(line -> line.startsWith(field))
                        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                        .findFirst()
                        .orElseThrow();
    }

    // Sessions that come and go.

    private void openings(Path folder) throws Exception {
        RandomModel.tiny().write(folder, 1);
        try (Engine engine = Engine.load(ModelFolder.of(folder), EngineOptions.defaults())) {
            for (int i = 0; i < 200; i++) {
                openAndClose(engine, i);
            }
            long objects = Pointer.totalCount();
            long resident = residentBytes();
            for (int i = 0; i < openings; i++) {
                if (i % 1000 == 0) {
                    progress.println("  " + i + " of " + openings + " sessions opened and closed");
                }
                openAndClose(engine, i);
            }
            String what = openings + " sessions opened and closed: ";
            add("closed_sessions_pages", what + "KV pages left", engine.pagesUsed(), "", 0, "goal");
            add(
                    "closed_sessions_native_objects",
                    what + "native objects left",
                    Pointer.totalCount() - objects,
                    "",
                    0,
                    "goal");
            add(
                    "closed_sessions_resident_bytes_each",
                    what + "resident memory grown, per session",
                    Math.max(0, residentBytes() - resident) / (double) openings,
                    "bytes",
                    engine.model().sessionBytes() / 100.0,
                    "1 % of a session");
        }
    }

    private static void openAndClose(Engine engine, int i) throws Exception {
        try (EngineSession session = engine.open(new SessionParameters("s" + i, i, "a red ball"))) {
            session.step();
            if (i % 20 == 0) {
                next(session);
                session.suspend();
                if (i % 40 == 0) {
                    session.resume();
                }
            }
        }
    }

    // Figures.

    private void add(
            String name, String what, double value, String unit, double limit, String whose) {
        figures.add(new Figure(name, what, value, unit, limit, Double.isNaN(limit) ? "" : whose));
    }

    private static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1
                ? sorted.get(middle)
                : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }

    private void write(Path file) throws IOException {
        JsonMapper mapper = JsonMapper.builder().build();
        ArrayNode all = mapper.createArrayNode();
        for (Figure figure : figures) {
            ObjectNode node = all.addObject();
            node.put("name", figure.name()).put("what", figure.what());
            node.put("value", figure.value()).put("unit", figure.unit());
            if (!Double.isNaN(figure.limit())) {
                node.put("limit", figure.limit());
            }
            node.put("whose", figure.whose());
            progress.printf(
                    Locale.ROOT,
                    "  %-45s %10.3f %s%n",
                    figure.name(),
                    figure.value(),
                    figure.unit());
        }
        Files.writeString(file, all.toPrettyString());
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
