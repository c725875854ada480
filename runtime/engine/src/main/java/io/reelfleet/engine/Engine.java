package io.reelfleet.engine;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.cache.KvCache;
import io.reelfleet.engine.cache.MemoryBudget;
import io.reelfleet.engine.cache.PagePool;
import io.reelfleet.engine.model.CausalVideoTransformer;
import io.reelfleet.engine.model.PromptTokenizer;
import io.reelfleet.engine.model.StepItem;
import io.reelfleet.engine.model.TextEncoder;
import io.reelfleet.engine.model.TextEncoderConfig;
import io.reelfleet.engine.model.TransformerConfig;
import io.reelfleet.engine.model.VaeConfig;
import io.reelfleet.engine.model.VideoDecoder;
import io.reelfleet.engine.model.VideoEncoder;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.engine.tensor.Tensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * A loaded model and the memory of the sessions it generates. One thread drives an engine and its
 * sessions; nothing here is thread-safe.
 */
public final class Engine implements AutoCloseable {
    /** Changes whenever this engine's arithmetic does. */
    private static final String BUILD = "reelfleet-engine-2";

    /** Tensors of a state, each of which begins at a cache line of its own in host memory. */
    private static final int HOST_PARTS = 8;

    private final Device device;
    private final Path folder;
    private final EngineOptions options;
    private final GenerationSettings settings;
    private final ModelDescription description;
    private final CausalVideoTransformer transformer;
    private final VideoDecoder decoder;
    private final TextEncoder textEncoder;
    private final PromptTokenizer tokenizer;
    private final PagePool pool;
    private final MemoryBudget budget;
    private final HostTier host;

    /** Memory of a decoder's cache that left the device, for the next that comes back. */
    private Tensor spareDecoder;

    /** Sessions whose state is being copied off the device: they hold their memory until then. */
    private final Set<EngineSession> leaving = new LinkedHashSet<>();

    private final Set<EngineSession> sessions = new HashSet<>();
    private final BatchLog batchLog = new BatchLog();

    /** Null until it is measured. */
    private BatchCap batchCap;

    /** Null until the first image. */
    private VideoEncoder encoder;

    /** Null until they are measured. */
    private OffloadCosts offloadCosts;

    /** Loads a model; on an error nothing stays behind. */
    public static Engine load(ModelFolder folder, EngineOptions options) throws ModelException {
        return load(folder, options, GenerationSettings.read(folder.path(), options.overrides()));
    }

    static Engine load(ModelFolder folder, EngineOptions options, GenerationSettings settings)
            throws ModelException {
        Tensors.useThreads(options.threads());
        Device device;
        try {
            device = Device.open(options.device(), options.precision());
        } catch (IllegalArgumentException e) {
            throw new ModelException(e.getMessage(), e);
        }
        try {
            return load(folder, options, settings, device);
        } catch (ModelException | RuntimeException | Error e) {
            device.close();
            throw e;
        }
    }

    private static Engine load(
            ModelFolder folder, EngineOptions options, GenerationSettings settings, Device device)
            throws ModelException {
        Path path = folder.path();
        TransformerConfig transformerConfig = transformerConfig(path);
        VaeConfig vaeConfig = VaeConfig.read(path.resolve("vae").resolve("config.json"));
        TextEncoderConfig textConfig =
                TextEncoderConfig.read(path.resolve("text_encoder").resolve("config.json"));
        if (vaeConfig.channels() != transformerConfig.channels()) {
            throw new ModelException(
                    path.resolve("vae").resolve("config.json")
                            + ": z_dim is "
                            + vaeConfig.channels()
                            + ", but the transformer's in_channels is "
                            + transformerConfig.channels());
        }
        if (textConfig.dim() != transformerConfig.textDim()) {
            throw new ModelException(
                    path.resolve("text_encoder").resolve("config.json")
                            + ": d_model is "
                            + textConfig.dim()
                            + ", but the transformer's text_dim is "
                            + transformerConfig.textDim());
        }
        settings.check(path, transformerConfig.channels(), transformerConfig.headDim());
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            int rows = settings.latentHeight();
            int columns = settings.latentWidth();
            PromptTokenizer tokenizer = PromptTokenizer.load(path);
            opened.add(tokenizer);
            TextEncoder textEncoder = TextEncoder.load(device, path, textConfig);
            opened.add(textEncoder);
            CausalVideoTransformer transformer =
                    CausalVideoTransformer.load(device, path, transformerConfig, rows, columns);
            opened.add(transformer);
            VideoDecoder decoder = VideoDecoder.load(device, path, vaeConfig, rows, columns);
            opened.add(decoder);
            if (settings.controls().contains("reference")) {
                // Its weights are needed for a session's first picture only; what is wrong with
                // them is said now.
                VideoEncoder.load(device, path, vaeConfig).close();
            }
            return new Engine(
                    device,
                    path,
                    folder.revision(),
                    options,
                    settings,
                    transformer,
                    decoder,
                    textEncoder,
                    tokenizer);
        } catch (ModelException | RuntimeException | Error e) {
            for (AutoCloseable part : opened.reversed()) {
                closeQuietly(part, e);
            }
            throw e;
        }
    }

    static TransformerConfig transformerConfig(Path path) throws ModelException {
        Path config = path.resolve("transformer").resolve("config.json");
        Path original = path.resolve("original").resolve("config.json");
        return TransformerConfig.read(
                !java.nio.file.Files.exists(config) && java.nio.file.Files.exists(original)
                        ? original
                        : config);
    }

    private static void closeQuietly(AutoCloseable part, Throwable cause) {
        try {
            part.close();
        } catch (Exception e) {
            cause.addSuppressed(e);
        }
    }

    private Engine(
            Device device,
            Path folder,
            String revision,
            EngineOptions options,
            GenerationSettings settings,
            CausalVideoTransformer transformer,
            VideoDecoder decoder,
            TextEncoder textEncoder,
            PromptTokenizer tokenizer) {
        this.device = device;
        this.folder = folder;
        this.options = options;
        this.settings = settings;
        this.transformer = transformer;
        this.decoder = decoder;
        this.textEncoder = textEncoder;
        this.tokenizer = tokenizer;
        this.budget = new MemoryBudget("device memory", options.deviceMemoryBytes());
        long weights =
                transformer.weightBytes() + decoder.weightBytes() + textEncoder.weightBytes();
        budget.reserve(weights, "the model's weights");
        int tokens = transformer.tokensPerFrame();
        int layers = transformer.config().layers();
        // With guidance the video without the prompt has keys and values of its own.
        int branches = settings.guided() ? 2 : 1;
        int pages = branches * KvCache.pages(layers, settings.windowFrames());
        long sessionBytes =
                pages * PagePool.pageBytes(device.precision(), tokens, transformer.config().dim())
                        + branches * transformer.crossBytes(settings.textLen())
                        + decoder.stateBytes()
                        + (long) Float.BYTES * latentCount() * (1 + rememberedChunks());
        this.pool =
                new PagePool(
                        device,
                        capacity(options.deviceMemoryBytes() - weights, sessionBytes, pages),
                        tokens,
                        transformer.config().dim());
        this.host =
                new HostTier(
                        device,
                        options.hostMemoryBytes(),
                        sessionBytes + HOST_PARTS * HostTier.room(1),
                        options.spillFolder());
        this.description =
                new ModelDescription(
                        settings.name(),
                        revision,
                        settings.width(),
                        settings.height(),
                        settings.fps(),
                        settings.framesPerChunk(),
                        settings.windowFrames(),
                        settings.sinkFrames(),
                        settings.schedule().steps(),
                        sessionBytes,
                        settings.controls(),
                        settings.maxPromptTokens());
    }

    /** Chunks whose clean latents a session keeps: those of its window and its sink. */
    private int rememberedChunks() {
        int frames = settings.framesPerChunk();
        return Math.ceilDiv(settings.windowFrames(), frames)
                + Math.ceilDiv(settings.sinkFrames(), frames);
    }

    /** Pages of as many whole sessions as fit, in the device and in this machine. */
    private static int capacity(long free, long sessionBytes, int pages) {
        long machine =
                ((com.sun.management.OperatingSystemMXBean)
                                java.lang.management.ManagementFactory.getOperatingSystemMXBean())
                        .getTotalMemorySize();
        long sessions = Math.min(free, machine) / sessionBytes;
        return (int) Math.min(sessions * pages, Integer.MAX_VALUE);
    }

    /** What this engine generates. */
    public ModelDescription model() {
        return description;
    }

    /** What the bits of a chunk depend on beside model, seed, prompts and batch shape. */
    public String fingerprint() {
        return device.fingerprint()
                + " libtorch/"
                + libtorchVersion()
                + " threads/"
                + options.threads()
                + " "
                + BUILD;
    }

    private static String libtorchVersion() {
        try {
            return Loader.getVersion("org.bytedeco", "pytorch");
        } catch (IOException e) {
            return "unknown";
        }
    }

    /** What it computes on. */
    public Device.Kind deviceKind() {
        return device.kind();
    }

    /** What it computes in. */
    public Precision precision() {
        return device.precision();
    }

    /** Numbers in the weights that are loaded. */
    public long parameters() {
        return transformer.parameters() + decoder.parameters() + textEncoder.parameters();
    }

    /** Bytes of weights and of the sessions on the device. */
    public long deviceBytesUsed() {
        return budget.used();
    }

    public long deviceBytesLimit() {
        return budget.limit();
    }

    /** Bytes of suspended sessions. */
    public long hostBytesUsed() {
        return host.used();
    }

    /** Bytes of suspended sessions that host memory had no room for, in files. */
    public long spilledBytes() {
        return host.inFiles();
    }

    public long hostBytesLimit() {
        return host.limit();
    }

    /** KV pages in use. */
    public int pagesUsed() {
        return pool.used();
    }

    /** Sessions that are open, suspended ones included. */
    public int openSessions() {
        return sessions.size();
    }

    /** Starts a session, or refuses before anything is taken. */
    public EngineSession open(SessionParameters parameters)
            throws DoesNotFitException, InvalidPromptException {
        long[] ids = tokens(parameters.prompt());
        reserve(parameters.uid());
        try {
            EngineSession session = new EngineSession(this, parameters, ids);
            sessions.add(session);
            return session;
        } catch (RuntimeException e) {
            budget.release(description.sessionBytes());
            throw e;
        }
    }

    /** Promises a session's memory; waits for those that are leaving where it needs theirs. */
    void reserve(String uid) {
        settle();
        while (!leaving.isEmpty() && description.sessionBytes() > budget.limit() - budget.used()) {
            leaving.iterator().next().settle();
        }
        budget.reserve(description.sessionBytes(), "session " + uid);
    }

    void leaving(EngineSession session) {
        leaving.add(session);
    }

    void moved(EngineSession session) {
        leaving.remove(session);
    }

    /**
     * Gives back the memory of sessions that have left the device since. Never waits; to be called
     * between steps while sessions leave.
     */
    public void settle() {
        for (EngineSession session : List.copyOf(leaving)) {
            if (!session.moving()) {
                session.settle();
            }
        }
    }

    /** Whether states are on their way off the device. */
    public boolean settling() {
        return !leaving.isEmpty();
    }

    /**
     * Starts a session that goes on from another's chunk: with its seed the same video, with
     * another seed or prompt one that parts from it there.
     *
     * @param parameters of the new session
     * @param nextChunk the chunk to go on with
     * @param stored the other's chunks of {@link EngineSession#rebuildSet}
     */
    public EngineSession fork(
            SessionParameters parameters, long nextChunk, List<StoredChunk> stored)
            throws DoesNotFitException, InvalidPromptException {
        EngineSession session = open(parameters);
        try {
            session.rebuild(nextChunk, stored);
            session.setPrompt(parameters.prompt());
            return session;
        } catch (RuntimeException e) {
            session.close();
            throw e;
        }
    }

    /**
     * The latent of a still picture, {@code [1, channels, height, width]}; the caller owns it. The
     * encoder's weights are loaded for the first picture.
     */
    Tensor encode(VideoFrames image) throws InvalidImageException {
        if (!settings.controls().contains("reference")) {
            throw new InvalidImageException(
                    "model " + settings.name() + " takes no images (control reference)");
        }
        if (image.count() != 1
                || image.width() != settings.width()
                || image.height() != settings.height()
                || image.rgb().length != 3 * settings.width() * settings.height()) {
            throw new InvalidImageException(
                    "the image is "
                            + image.width()
                            + " x "
                            + image.height()
                            + " pixels, the model's video "
                            + settings.width()
                            + " x "
                            + settings.height()
                            + ": scale it to that");
        }
        if (encoder == null) {
            try {
                Path config = folder.resolve("vae").resolve("config.json");
                encoder = VideoEncoder.load(device, folder, VaeConfig.read(config));
            } catch (ModelException e) {
                throw new InvalidImageException(
                        "model " + settings.name() + " has no usable encoder: " + e.getMessage(),
                        e);
            }
        }
        float[] values = new float[image.rgb().length];
        int pixels = settings.width() * settings.height();
        for (int i = 0; i < pixels; i++) {
            for (int colour = 0; colour < 3; colour++) {
                values[colour * pixels + i] = (image.rgb()[3 * i + colour] & 0xff) / 127.5f - 1;
            }
        }
        try (InferenceMode _ = new InferenceMode(true)) {
            return Tensors.owned(
                    () ->
                            encoder.encode(
                                            Tensors.of(
                                                    values,
                                                    3,
                                                    1,
                                                    settings.height(),
                                                    settings.width()))
                                    .permute(1, 0, 2, 3)
                                    .contiguous());
        }
    }

    /**
     * Advances every session by one denoising step in one batch, whatever step, chunk, window and
     * prompt each is at.
     *
     * @return for each session whether a chunk is ready
     */
    public List<Boolean> step(List<EngineSession> batch) {
        List<Boolean> ready = new ArrayList<>(batch.size());
        for (Advance advance : step(batch, batch.size())) {
            if (advance.failure() != null) {
                throw advance.failure();
            }
            ready.add(advance.ready());
        }
        return ready;
    }

    /**
     * As {@link #step(List)}, where one session's failure leaves the others alone.
     *
     * @param runnable how many sessions could have been in this batch, for {@link #batchLog}
     * @return what became of each session, in order
     */
    public List<Advance> step(List<EngineSession> batch, int runnable) {
        if (batch.isEmpty()) {
            return List.of();
        }
        batchLog.pass(
                batch.size(), runnable, batchCap == null ? batch.size() : batchCap.sessions());
        Advance[] advances = new Advance[batch.size()];
        List<StepItem> items = new ArrayList<>(batch.size());
        try (InferenceMode _ = new InferenceMode(true);
                PointerScope _ = new PointerScope()) {
            for (int i = 0; i < advances.length; i++) {
                try {
                    items.addAll(batch.get(i).prepare());
                } catch (RuntimeException e) {
                    advances[i] = new Advance(false, e);
                }
            }
            if (!items.isEmpty()) {
                pass(batch, items, advances);
            }
        }
        return List.of(advances);
    }

    private void pass(List<EngineSession> batch, List<StepItem> items, Advance[] advances) {
        long start = System.nanoTime();
        Tensor flows;
        try {
            flows = transformer.forward(items);
        } catch (RuntimeException e) {
            for (int i = 0; i < advances.length; i++) {
                advances[i] = advances[i] == null ? new Advance(false, e) : advances[i];
            }
            return;
        }
        double seconds =
                (System.nanoTime() - start) / 1e9 / items.size() * (settings.guided() ? 2 : 1);
        long frames = settings.framesPerChunk();
        int at = 0;
        for (int i = 0; i < advances.length; i++) {
            if (advances[i] != null) {
                continue;
            }
            EngineSession session = batch.get(i);
            Tensor flow = null;
            if (!items.get(at).writes()) {
                flow = items.size() == 1 ? flows : flows.narrow(0, at * frames, frames);
                if (settings.guided()) {
                    Tensor without = flows.narrow(0, (at + 1) * frames, frames);
                    flow = without.add(flow.sub(without), new Scalar(settings.guidance()));
                }
            }
            at += settings.guided() ? 2 : 1;
            try {
                advances[i] = session.advance(flow, seconds) ? Advance.READY : Advance.MADE;
            } catch (RuntimeException e) {
                advances[i] = new Advance(false, e);
            }
        }
    }

    /**
     * How many sessions one pass should take on this machine: where the measured gain ends. The
     * first call measures, for at most a few seconds; call it before the first session is opened.
     */
    public BatchCap batchCap() {
        if (batchCap == null) {
            batchCap = BatchCap.measure(this);
        }
        return batchCap;
    }

    /**
     * What it takes to bring a suspended session back. The first call measures, and decides by it
     * what happens to states that host memory has no room for: files or a rebuild.
     */
    public OffloadCosts offloadCosts() {
        if (offloadCosts == null) {
            int frames = settings.framesPerChunk();
            offloadCosts =
                    OffloadCosts.measure(
                            this,
                            options.spillFolder(),
                            Math.ceilDiv(settings.windowFrames(), frames),
                            Math.ceilDiv(decoder.receptiveLatents(), frames));
            host.beyond(offloadCosts.beyond());
        }
        return offloadCosts;
    }

    /** What the passes took, beside what they could have taken. */
    public BatchLog batchLog() {
        return batchLog;
    }

    /** Tokens of a prompt, or why the model cannot take it. */
    long[] tokens(String prompt) throws InvalidPromptException {
        if (prompt.isBlank()) {
            throw new InvalidPromptException("prompt is empty: write what the video should show");
        }
        // A prompt of so many characters has too many tokens in any vocabulary: do not even
        // tokenize it.
        if (prompt.length() > 64 * settings.maxPromptTokens()) {
            throw new InvalidPromptException(
                    "prompt has "
                            + prompt.length()
                            + " characters: write at most "
                            + settings.maxPromptTokens()
                            + " tokens");
        }
        long[] ids = tokenizer.encode(prompt);
        if (ids.length > settings.maxPromptTokens()) {
            throw new InvalidPromptException(
                    "prompt has "
                            + ids.length
                            + " tokens, the model takes "
                            + settings.maxPromptTokens()
                            + ": write a shorter one");
        }
        int vocabulary = textEncoder.config().vocabulary();
        for (long id : ids) {
            if (id < 0 || id >= vocabulary) {
                throw new InvalidPromptException(
                        "prompt has token "
                                + id
                                + ", but the text encoder's vocab_size is "
                                + vocabulary
                                + ": the model's tokenizer belongs to another one");
            }
        }
        return ids;
    }

    /** Tokens of any text, whatever their number. */
    long[] encode(String text) {
        return tokenizer.encode(text);
    }

    /** Numbers in a chunk's latents. */
    int latentCount() {
        return settings.framesPerChunk()
                * transformer.config().channels()
                * settings.latentHeight()
                * settings.latentWidth();
    }

    /** {@code [frames, channels, height, width]} of a chunk's latents. */
    int[] latentShape() {
        return new int[] {
            settings.framesPerChunk(),
            transformer.config().channels(),
            settings.latentHeight(),
            settings.latentWidth()
        };
    }

    int threads() {
        return options.threads();
    }

    GenerationSettings settings() {
        return settings;
    }

    CausalVideoTransformer transformer() {
        return transformer;
    }

    VideoDecoder decoder() {
        return decoder;
    }

    TextEncoder textEncoder() {
        return textEncoder;
    }

    PagePool pool() {
        return pool;
    }

    MemoryBudget budget() {
        return budget;
    }

    Device device() {
        return device;
    }

    HostTier host() {
        return host;
    }

    /** Keeps a cache's memory for the next session: fresh pages cost more than the copy. */
    void spareDecoder(Tensor memory) {
        if (spareDecoder == null) {
            spareDecoder = memory;
        } else {
            memory.close();
        }
    }

    /** Memory of a decoder's cache, or null. */
    Tensor spareDecoder() {
        Tensor memory = spareDecoder;
        spareDecoder = null;
        return memory;
    }

    void closed(EngineSession session) {
        sessions.remove(session);
        if (sessions.isEmpty()) {
            trim();
        }
    }

    /** Frees memory that is kept for the next session that leaves the device or comes back. */
    private void trim() {
        host.trim();
        if (spareDecoder != null) {
            spareDecoder.close();
            spareDecoder = null;
        }
    }

    @Override
    public void close() {
        for (EngineSession session : List.copyOf(sessions)) {
            session.close();
        }
        trim();
        host.close();
        pool.close();
        if (encoder != null) {
            encoder.close();
        }
        decoder.close();
        transformer.close();
        textEncoder.close();
        tokenizer.close();
        device.close();
    }
}
