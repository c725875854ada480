package io.reelfleet.engine;

import io.reelfleet.engine.cache.KvCache;
import io.reelfleet.engine.model.CrossContext;
import io.reelfleet.engine.model.FewStepSchedule;
import io.reelfleet.engine.model.StepItem;
import io.reelfleet.engine.model.StreamingCache;
import io.reelfleet.engine.tensor.Tensors;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/**
 * A video being generated. It advances one denoising step at a time; its state is on the device,
 * or, suspended, in host memory.
 */
public final class EngineSession implements AutoCloseable {
    private final Engine engine;
    private final SessionParameters parameters;
    private final FewStepSchedule schedule;
    private final KvCache cache;
    private final StreamingCache decoder;

    private CrossContext prompt;
    private String promptInForce;
    private String pendingPrompt;
    private long[] pendingIds;
    private NoiseFeed noise;

    private long chunk;
    private int step;

    /** The chunk in the making, {@code [frames, channels, height, width]}; null between chunks. */
    private Tensor latents;

    private double transformerSeconds;
    private GeneratedChunk ready;
    private boolean suspended;
    private long hostBytes;
    private boolean closed;

    /** Where a session's noise comes from; tests inject that of a reference. */
    interface NoiseFeed {
        /** Noise of {@code step} of {@code chunk}, as many numbers as a chunk's latents have. */
        float[] noise(long chunk, int step);
    }

    EngineSession(Engine engine, SessionParameters parameters, long[] ids) {
        this.engine = engine;
        this.parameters = parameters;
        this.schedule = engine.settings().schedule();
        GenerationSettings settings = engine.settings();
        this.cache =
                new KvCache(
                        engine.pool(),
                        engine.transformer().config().layers(),
                        settings.windowFrames(),
                        settings.sinkFrames(),
                        engine.transformer().tokensPerFrame(),
                        settings.positions());
        this.decoder = engine.decoder().newState();
        this.pendingPrompt = parameters.prompt();
        this.pendingIds = ids;
        this.noise =
                (number, at) -> {
                    float[] values = new float[engine.latentCount()];
                    NoiseSource.fill(parameters.seed(), number, at, values);
                    return values;
                };
    }

    void feedNoise(NoiseFeed feed) {
        this.noise = feed;
    }

    void feedPrompt(CrossContext context) {
        if (prompt != null) {
            prompt.close();
        }
        prompt = context;
        pendingPrompt = null;
        pendingIds = null;
    }

    /** What the session was opened with. */
    public SessionParameters parameters() {
        return parameters;
    }

    /** Number of the chunk in the making, or of the next one. */
    public long nextChunk() {
        return chunk;
    }

    /** True between the first denoising step of a chunk and its end. */
    public boolean midChunk() {
        return latents != null;
    }

    /** The prompt of the chunk in the making, or of the last one; null before the first. */
    public String promptInForce() {
        return promptInForce;
    }

    /**
     * Advances one denoising step, or after the last of them runs the clean pass and decodes.
     *
     * @return true when a chunk is ready for {@link #takeChunk}
     */
    public boolean step() {
        return engine.step(List.of(this)).getFirst();
    }

    /** What the next pass of the transformer needs; begins a chunk where none is in the making. */
    StepItem prepare() {
        requireOpen();
        if (suspended) {
            throw new IllegalStateException("session " + parameters.uid() + " is suspended");
        }
        if (ready != null) {
            throw new IllegalStateException(
                    "session " + parameters.uid() + " has a chunk that was not taken");
        }
        if (latents == null) {
            applyPrompt();
            int count = engine.settings().framesPerChunk();
            cache.beginChunk(chunk * count, count);
            latents = Tensors.owned(() -> noiseTensor(0));
            step = 0;
            transformerSeconds = 0;
        }
        boolean clean = step == schedule.steps();
        return new StepItem(latents, clean ? 0 : schedule.timesteps()[step], cache, prompt, clean);
    }

    /** Takes the transformer's answer: the flow of a denoising step, null after the clean pass. */
    boolean advance(Tensor flow, double seconds) {
        transformerSeconds += seconds;
        if (flow == null) {
            cache.commitChunk();
            finishChunk();
            return true;
        }
        Tensor before = latents;
        latents = Tensors.owned(() -> denoised(before, flow));
        before.close();
        step++;
        return false;
    }

    /**
     * x0 = x - sigma flow; then noised again to the next step's sigma (Self-Forcing's few-step
     * rule).
     */
    private Tensor denoised(Tensor x, Tensor flow) {
        Tensor x0 = x.sub(flow, new Scalar(schedule.sigmas()[step]));
        if (step + 1 == schedule.steps()) {
            return x0;
        }
        double sigma = schedule.sigmas()[step + 1];
        return x0.mul(new Scalar(1 - sigma)).add_(noiseTensor(step + 1), new Scalar(sigma));
    }

    private Tensor noiseTensor(int at) {
        int[] shape = engine.latentShape();
        return Tensors.of(noise.noise(chunk, at), shape[0], shape[1], shape[2], shape[3]);
    }

    private void applyPrompt() {
        if (pendingPrompt != null) {
            CrossContext next = encode(pendingIds);
            if (prompt != null) {
                prompt.close();
            }
            prompt = next;
            promptInForce = pendingPrompt;
            pendingPrompt = null;
            pendingIds = null;
        }
    }

    private CrossContext encode(long[] ids) {
        try (PointerScope _ = new PointerScope()) {
            return engine.transformer()
                    .cross(engine.textEncoder().encode(ids, engine.settings().textLen()));
        }
    }

    private void finishChunk() {
        long start = System.nanoTime();
        VideoFrames video;
        try (PointerScope _ = new PointerScope()) {
            Tensor decoded = engine.decoder().decode(latents, decoder);
            Tensor rgb = engine.decoder().rgb(decoded);
            video =
                    new VideoFrames(
                            (int) rgb.size(2),
                            (int) rgb.size(1),
                            (int) rgb.size(0),
                            Tensors.toBytes(rgb));
        }
        double decodeSeconds = (System.nanoTime() - start) / 1e9;
        ready =
                new GeneratedChunk(
                        chunk,
                        chunk * engine.settings().framesPerChunk(),
                        new LatentTensor(engine.latentShape(), Tensors.toBytes(latents)),
                        video,
                        transformerSeconds,
                        decodeSeconds);
        latents.close();
        latents = null;
        chunk++;
    }

    /** The chunk that {@link #step} announced. */
    public GeneratedChunk takeChunk() {
        if (ready == null) {
            throw new IllegalStateException("session " + parameters.uid() + " has no chunk ready");
        }
        GeneratedChunk taken = ready;
        ready = null;
        return taken;
    }

    /** Another prompt, in force from the next chunk that starts. */
    public void setPrompt(String text) throws InvalidPromptException {
        requireOpen();
        pendingIds = engine.tokens(text);
        pendingPrompt = text;
    }

    /**
     * Moves the state to host memory and gives the device memory back; {@link #resume} continues
     * with the same bits.
     *
     * @throws DoesNotFitException if the host's limit is reached; nothing has changed then
     */
    public void suspend() {
        requireOpen();
        if (suspended) {
            return;
        }
        long bytes =
                cache.hostBytes()
                        + decoder.bytes()
                        + (prompt == null ? 0 : prompt.bytes())
                        + (latents == null ? 0 : Tensors.bytes(latents));
        engine.host().reserve(bytes, "suspended session " + parameters.uid());
        hostBytes = bytes;
        cache.suspend();
        moveTensors();
        engine.device().release(engine.model().sessionBytes());
        suspended = true;
    }

    /**
     * Moves the state back to the device.
     *
     * @throws DoesNotFitException if the device has no room; the session stays suspended
     */
    public void resume() {
        requireOpen();
        if (!suspended) {
            return;
        }
        engine.device().reserve(engine.model().sessionBytes(), "session " + parameters.uid());
        try {
            cache.resume();
        } catch (DoesNotFitException e) {
            engine.device().release(engine.model().sessionBytes());
            throw e;
        }
        moveTensors();
        engine.host().release(hostBytes);
        hostBytes = 0;
        suspended = false;
    }

    private void moveTensors() {
        decoder.move();
        if (prompt != null) {
            prompt = prompt.moved();
        }
        if (latents != null) {
            Tensor old = latents;
            latents = Tensors.owned(old::clone);
            old.close();
        }
    }

    /** True while the state is in host memory. */
    public boolean suspended() {
        return suspended;
    }

    /**
     * How many of the newest stored chunks {@link #rebuild} wants; those of the sink come on top.
     */
    public int rebuildChunks() {
        return Math.max(windowChunks(), decoderChunks());
    }

    /**
     * Numbers of the chunks that {@link #rebuild} wants to go on with {@code nextChunk}, rising.
     */
    public List<Long> rebuildSet(long nextChunk) {
        Set<Long> wanted = new TreeSet<>();
        LongStream.range(0, Math.min(sinkChunks(), nextChunk)).forEach(wanted::add);
        LongStream.range(Math.max(0, nextChunk - rebuildChunks()), nextChunk).forEach(wanted::add);
        return List.copyOf(wanted);
    }

    private int windowChunks() {
        return chunks(engine.settings().windowFrames());
    }

    private int decoderChunks() {
        return chunks(engine.decoder().receptiveLatents());
    }

    private int sinkChunks() {
        return chunks(engine.settings().sinkFrames());
    }

    private int chunks(int latentFrames) {
        return Math.ceilDiv(latentFrames, engine.settings().framesPerChunk());
    }

    /**
     * Makes the state from stored chunks: keys and values by replaying the window's chunks at t = 0
     * one by one, the decoder's cache by decoding again. The state has the bits of an undisturbed
     * session as long as nothing has left the window; after that the session goes on as a new
     * trajectory from the same pictures.
     *
     * <p>The prompt of the last stored chunk is in force afterwards; call {@link #setPrompt} for
     * another.
     *
     * @param nextChunk the chunk to go on with
     * @param lastChunks the chunks of {@link #rebuildSet}; at least those from some chunk to {@code
     *     nextChunk - 1} without a gap
     */
    public void rebuild(long nextChunk, List<StoredChunk> lastChunks) {
        requireOpen();
        if (suspended) {
            throw new IllegalStateException("session " + parameters.uid() + " is suspended");
        }
        TreeMap<Long, StoredChunk> stored = new TreeMap<>();
        lastChunks.forEach(each -> stored.put(each.chunk(), each));
        checkStored(nextChunk, stored);
        discardChunk();
        cache.clear();
        ready = null;
        chunk = nextChunk;
        long tail = nextChunk;
        while (stored.containsKey(tail - 1)) {
            tail--;
        }
        decoder.reset(tail > 0);
        if (nextChunk == 0) {
            return;
        }
        Map<String, CrossContext> prompts = new HashMap<>();
        try {
            for (StoredChunk each : stored.values()) {
                boolean inWindow = each.chunk() >= nextChunk - windowChunks();
                if (each.chunk() < nextChunk && (inWindow || each.chunk() < sinkChunks())) {
                    replay(each, prompts);
                }
            }
        } finally {
            prompts.values().forEach(CrossContext::close);
        }
        long firstDecoded = Math.max(tail, nextChunk - decoderChunks());
        decoder.reset(firstDecoded > 0);
        for (StoredChunk each : stored.subMap(firstDecoded, nextChunk).values()) {
            try (PointerScope _ = new PointerScope()) {
                engine.decoder().decode(tensor(each.latents()), decoder);
            }
        }
        if (pendingPrompt == null || pendingPrompt.equals(parameters.prompt())) {
            try {
                setPrompt(stored.lastEntry().getValue().prompt());
            } catch (InvalidPromptException e) {
                throw new IllegalArgumentException("stored " + e.getMessage(), e);
            }
        }
    }

    private void checkStored(long nextChunk, TreeMap<Long, StoredChunk> stored) {
        if (nextChunk < 0 || (nextChunk > 0 && !stored.containsKey(nextChunk - 1))) {
            throw new IllegalArgumentException(
                    "to go on with chunk "
                            + nextChunk
                            + ", chunk "
                            + (nextChunk - 1)
                            + " must be among the stored ones");
        }
        for (StoredChunk each : stored.values()) {
            if (!java.util.Arrays.equals(each.latents().shape(), engine.latentShape())) {
                throw new IllegalArgumentException(
                        "stored chunk "
                                + each.chunk()
                                + " has latents of shape "
                                + java.util.Arrays.toString(each.latents().shape())
                                + ", this model has "
                                + java.util.Arrays.toString(engine.latentShape()));
            }
        }
    }

    private void replay(StoredChunk stored, Map<String, CrossContext> prompts) {
        CrossContext context = prompts.get(stored.prompt());
        if (context == null) {
            try {
                context = encode(engine.tokens(stored.prompt()));
            } catch (InvalidPromptException e) {
                throw new IllegalArgumentException("stored " + e.getMessage(), e);
            }
            prompts.put(stored.prompt(), context);
        }
        int count = engine.settings().framesPerChunk();
        cache.beginChunk(stored.chunk() * count, count);
        try (PointerScope _ = new PointerScope()) {
            StepItem item = new StepItem(tensor(stored.latents()), 0, cache, context, true);
            engine.transformer().forward(List.of(item));
        }
        cache.commitChunk();
    }

    private static Tensor tensor(LatentTensor latents) {
        int[] shape = latents.shape();
        float[] values = new float[latents.float32LittleEndian().length / Float.BYTES];
        java.nio.ByteBuffer.wrap(latents.float32LittleEndian())
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return Tensors.of(values, shape[0], shape[1], shape[2], shape[3]);
    }

    private void discardChunk() {
        if (latents != null) {
            latents.close();
            latents = null;
            cache.abandonChunk();
        }
        step = 0;
    }

    /** Bytes of the session's state: on the device, or in host memory while it is suspended. */
    public long stateBytes() {
        return suspended ? hostBytes : engine.model().sessionBytes();
    }

    KvCache cache() {
        return cache;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("session " + parameters.uid() + " is closed");
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (latents != null) {
            latents.close();
            latents = null;
        }
        cache.close();
        decoder.close();
        if (prompt != null) {
            prompt.close();
        }
        if (suspended) {
            engine.host().release(hostBytes);
        } else {
            engine.device().release(engine.model().sessionBytes());
        }
        engine.closed(this);
    }
}
