package io.reelfleet.engine;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.cache.KvCache;
import io.reelfleet.engine.model.CrossContext;
import io.reelfleet.engine.model.FewStepSchedule;
import io.reelfleet.engine.model.StepItem;
import io.reelfleet.engine.model.StreamingCache;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.engine.tensor.Tensors;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A video being generated. It advances one denoising step at a time; its state is on the device,
 * or, suspended, in host memory.
 */
public final class EngineSession implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EngineSession.class);

    private final Engine engine;
    private final SessionParameters parameters;
    private final FewStepSchedule schedule;
    private final KvCache cache;

    /**
     * With guidance: keys and values of the chunks under the negative prompt; null without.
     * Self-Forcing's and CausVid's two caches.
     */
    private final KvCache unguided;

    private CrossContext negative;
    private String negativePrompt = "";
    private long[] pendingNegative;
    private final StreamingCache decoder;

    private CrossContext prompt;
    private String promptInForce;
    private String pendingPrompt;
    private long[] pendingIds;
    private PromptSwitch pendingSwitch = PromptSwitch.KEEP_CACHE;
    private NoiseFeed noise;

    /** The given first frame, {@code [1, channels, height, width]}; null where there is none. */
    private Tensor firstFrame;

    /** Clean latents of the chunks in the window and the sink, by number. */
    private final TreeMap<Long, Tensor> recent = new TreeMap<>();

    /** Counts the prompts that were put in force. */
    private long promptVersion;

    /** Counts the negative prompts that were put in force. */
    private long negativeVersion;

    /** Counts how often the window was made anew: pages of one name had other bytes before. */
    private long rewrites;

    private long chunk;
    private int step;

    /** The chunk in the making, {@code [frames, channels, height, width]}; null between chunks. */
    private Tensor latents;

    /** The latents of a chunk that is generated and not decoded yet. */
    private Tensor finished;

    private double transformerSeconds;
    private GeneratedChunk ready;
    private boolean suspended;

    /** Where the state is while the session is suspended. */
    private HostTier.Parked parked;

    /** The parked state is in a file, so there are no views of it. */
    private boolean away;

    private boolean lost;
    private boolean closed;

    /** The copy of the state that is on its way; null where none is. */
    private Device.Transfer transfer;

    /** What is left to do when it is done. */
    private Runnable whenMoved;

    /** The newest decode beside the steps; null where none was begun. */
    private CompletableFuture<GeneratedChunk> decoding;

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
        this.cache = newCache();
        this.unguided = settings.guided() ? newCache() : null;
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

    private KvCache newCache() {
        GenerationSettings settings = engine.settings();
        return new KvCache(
                engine.pool(),
                engine.transformer().config().layers(),
                settings.windowFrames(),
                settings.policy(),
                engine.transformer().tokensPerFrame(),
                settings.positions());
    }

    /** The caches of the video with the prompt and, with guidance, of that without it. */
    private List<KvCache> caches() {
        return unguided == null ? List.of(cache) : List.of(cache, unguided);
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

    /** True while a chunk is to be taken by {@link #takeChunk}. */
    public boolean hasChunk() {
        return finished != null || ready != null;
    }

    /** The prompt of the chunk in the making, or of the last one; null before the first. */
    public String promptInForce() {
        return promptInForce;
    }

    /**
     * Advances one denoising step, or after the last of them runs the clean pass.
     *
     * @return true when a chunk is ready for {@link #takeChunk}
     */
    public boolean step() {
        return engine.step(List.of(this)).getFirst();
    }

    /**
     * What the next pass of the transformer needs: one item, or with guidance two; begins a chunk
     * where none is in the making.
     */
    List<StepItem> prepare() {
        requireOpen();
        if (suspended) {
            throw new IllegalStateException("session " + parameters.uid() + " is suspended");
        }
        requireTaken();
        if (latents == null) {
            applyPrompt();
            int count = engine.settings().framesPerChunk();
            caches().forEach(each -> each.beginChunk(chunk * count, count));
            latents = Tensors.owned(() -> withGiven(noiseTensor(0)));
            step = 0;
            transformerSeconds = 0;
        }
        boolean clean = step == schedule.steps();
        StepItem item =
                new StepItem(
                        latents,
                        clean ? 0 : schedule.timesteps()[step],
                        cache,
                        prompt,
                        clean,
                        clean ? 0 : givenFrames());
        return unguided == null ? List.of(item) : List.of(item, withoutPrompt(item));
    }

    private StepItem withoutPrompt(StepItem item) {
        return new StepItem(
                item.latents(),
                item.timestep(),
                unguided,
                negative,
                item.writes(),
                item.givenFrames());
    }

    /** Takes the transformer's answer: the flow of a denoising step, null after the clean pass. */
    boolean advance(Tensor flow, double seconds) {
        transformerSeconds += seconds;
        if (flow == null) {
            caches().forEach(KvCache::commitChunk);
            finished = latents;
            latents = null;
            chunk++;
            return true;
        }
        Tensor before = latents;
        latents = Tensors.owned(() -> withGiven(denoised(before, flow)));
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

    private int givenFrames() {
        return firstFrame != null && chunk == 0 ? 1 : 0;
    }

    /** The same with the given first frame in its place. */
    private Tensor withGiven(Tensor x) {
        if (givenFrames() > 0) {
            x.narrow(0, 0, 1).copy_(firstFrame);
        }
        return x;
    }

    /**
     * Lets the video begin with a picture (image to video): it is the first frame, and the others
     * of the first chunk are generated beside it.
     *
     * @param image one frame of the video's size
     * @throws InvalidImageException if the model takes no images or not this one
     * @throws IllegalStateException if the first chunk has begun
     */
    public void setFirstFrame(VideoFrames image) throws InvalidImageException {
        requireOpen();
        if (chunk > 0 || latents != null || finished != null) {
            throw new IllegalStateException(
                    "session " + parameters.uid() + " has begun: a first frame comes before that");
        }
        Tensor encoded = engine.encode(image);
        if (firstFrame != null) {
            firstFrame.close();
        }
        firstFrame = encoded;
    }

    private Tensor noiseTensor(int at) {
        int[] shape = engine.latentShape();
        return engine.device().of(noise.noise(chunk, at), shape[0], shape[1], shape[2], shape[3]);
    }

    private void applyPrompt() {
        applyNegativePrompt();
        if (pendingPrompt != null) {
            CrossContext next = encode(pendingIds);
            if (prompt != null) {
                prompt.close();
            }
            prompt = next;
            promptVersion++;
            promptInForce = pendingPrompt;
            pendingPrompt = null;
            pendingIds = null;
            if (pendingSwitch == PromptSwitch.REFRESH_CACHE) {
                refreshCache();
            }
            pendingSwitch = PromptSwitch.KEEP_CACHE;
        }
    }

    private void applyNegativePrompt() {
        if (unguided != null && (negative == null || pendingNegative != null)) {
            if (negative != null) {
                negative.close();
            }
            negative =
                    encode(
                            pendingNegative == null
                                    ? engine.encode(negativePrompt)
                                    : pendingNegative);
            pendingNegative = null;
            negativeVersion++;
        }
    }

    /**
     * What the video should not show, in force from the next chunk that starts.
     *
     * @throws InvalidPromptException if the model runs without guidance, or the text is too long
     */
    public void setNegativePrompt(String text) throws InvalidPromptException {
        requireOpen();
        if (unguided == null) {
            throw new InvalidPromptException(
                    "model "
                            + engine.model().name()
                            + " runs without guidance and uses no negative prompt (control negativePrompt)");
        }
        pendingNegative = text.isBlank() ? engine.encode(text) : engine.tokens(text);
        negativePrompt = text;
    }

    /** Runs the window's clean latents again, under the prompt that is in force now. */
    private void refreshCache() {
        for (long frame : cache.cachedFrames()) {
            if (!recent.containsKey(frame / engine.settings().framesPerChunk())) {
                LOG.info(
                        "session {}: its cache keeps the old prompt, for the latents of latent frame {} are not here",
                        parameters.uid(),
                        frame);
                return;
            }
        }
        rewrites++;
        caches().forEach(KvCache::clear);
        for (Map.Entry<Long, Tensor> each : recent.entrySet()) {
            replay(each.getKey(), each.getValue(), prompt);
        }
    }

    /** Keeps a chunk's clean latents as long as its frames are in the window, or in the sink. */
    private void remember(long number, Tensor clean) {
        Tensor old = recent.put(number, Tensors.owned(clean::clone));
        if (old != null) {
            old.close();
        }
        forgetOld();
    }

    /** Forgets clean latents whose frames have left the window. */
    private void forgetOld() {
        long newest = recent.isEmpty() ? 0 : recent.lastKey();
        recent.entrySet()
                .removeIf(
                        each -> {
                            boolean leaves =
                                    each.getKey() >= sinkChunks()
                                            && each.getKey() <= newest - windowChunks();
                            if (leaves) {
                                each.getValue().close();
                            }
                            return leaves;
                        });
    }

    /**
     * Takes back the clean latents of stored chunks that did not come along with the state: a
     * prompt switch that refreshes the cache needs them.
     *
     * @param stored chunks of {@link #rebuildSet}; those that are here or out of reach are left out
     */
    public void recall(List<StoredChunk> stored) {
        requireOpen();
        for (StoredChunk each : stored) {
            boolean wanted =
                    each.chunk() < chunk
                            && (each.chunk() < sinkChunks()
                                    || each.chunk() >= chunk - windowChunks());
            if (wanted && !recent.containsKey(each.chunk())) {
                try (PointerScope _ = new PointerScope()) {
                    recent.put(each.chunk(), Tensors.owned(() -> tensor(each.latents()).clone()));
                }
            }
        }
    }

    private void forgetRecent() {
        recent.values().forEach(Tensor::close);
        recent.clear();
    }

    private CrossContext encode(long[] ids) {
        try (PointerScope _ = new PointerScope()) {
            return engine.transformer()
                    .cross(engine.textEncoder().encode(ids, engine.settings().textLen()));
        }
    }

    private void requireTaken() {
        if (finished != null || ready != null) {
            throw new IllegalStateException(
                    "session " + parameters.uid() + " has a chunk that was not taken");
        }
    }

    /** Decodes the finished chunk now. */
    private void decodeFinished() {
        awaitDecode();
        Tensor latent = finished;
        finished = null;
        remember(chunk - 1, latent);
        ready = decoded(latent, chunk - 1, transformerSeconds);
    }

    /**
     * Begins to decode the chunk that {@link #step} announced, beside the steps that follow: the
     * session's next chunk may begin meanwhile. Chunks come in their order.
     *
     * @return completed on a thread of the engine's own
     */
    public CompletableFuture<GeneratedChunk> decodeBeside() {
        requireOpen();
        if (finished == null) {
            throw new IllegalStateException("session " + parameters.uid() + " has no chunk ready");
        }
        awaitDecode();
        Tensor latent = finished;
        finished = null;
        long number = chunk - 1;
        double seconds = transformerSeconds;
        remember(number, latent);
        decoding = engine.device().decode(() -> decoded(latent, number, seconds));
        return decoding;
    }

    private GeneratedChunk decoded(Tensor latent, long number, double seconds) {
        long start = System.nanoTime();
        Device device = engine.device();
        try (latent;
                InferenceMode _ = new InferenceMode(true);
                PointerScope _ = new PointerScope()) {
            Tensor decoded = engine.decoder().decode(latent, decoder);
            Tensor rgb = device.toHost(engine.decoder().rgb(decoded));
            VideoFrames video =
                    new VideoFrames(
                            (int) rgb.size(2),
                            (int) rgb.size(1),
                            (int) rgb.size(0),
                            Tensors.toBytes(rgb));
            return new GeneratedChunk(
                    number,
                    number * engine.settings().framesPerChunk(),
                    new LatentTensor(engine.latentShape(), Tensors.toBytes(device.toHost(latent))),
                    video,
                    seconds,
                    (System.nanoTime() - start) / 1e9);
        }
    }

    /** Nothing of this session is being decoded after this. Whoever has the future hears of it. */
    private void awaitDecode() {
        if (decoding != null) {
            decoding.handle((chunk, error) -> null).join();
            decoding = null;
        }
    }

    private void dropFinished() {
        if (finished != null) {
            finished.close();
            finished = null;
        }
    }

    /** The latents of the chunk that {@link #step} announced, which is not decoded. */
    float[] takeLatents() {
        float[] values;
        try (PointerScope _ = new PointerScope()) {
            values = Tensors.floats(engine.device().toHost(finished));
        }
        remember(chunk - 1, finished);
        dropFinished();
        return values;
    }

    /**
     * Decodes the chunk that {@link #step} announced. A batch may finish several chunks at once:
     * the first can be on its way while the next is decoded.
     */
    public GeneratedChunk takeChunk() {
        if (finished != null) {
            decodeFinished();
        }
        if (ready == null) {
            throw new IllegalStateException("session " + parameters.uid() + " has no chunk ready");
        }
        GeneratedChunk taken = ready;
        ready = null;
        return taken;
    }

    /** Another prompt, in force from the next chunk that starts; the cache stays. */
    public void setPrompt(String text) throws InvalidPromptException {
        setPrompt(text, PromptSwitch.KEEP_CACHE);
    }

    /** Another prompt, in force from the next chunk that starts. */
    public void setPrompt(String text, PromptSwitch how) throws InvalidPromptException {
        requireOpen();
        pendingIds = engine.tokens(text);
        pendingPrompt = text;
        pendingSwitch = how;
    }

    /**
     * Goes back to a stored chunk and generates it and what follows anew: the same video where seed
     * and prompts are the same, for as long as nothing had left the window.
     *
     * @param nextChunk the chunk to generate next
     * @param stored the chunks of {@link #rebuildSet}
     */
    public void rewind(long nextChunk, List<StoredChunk> stored) {
        rebuild(nextChunk, stored);
    }

    /**
     * Moves the state to host memory and gives the device memory back; {@link #resume} continues
     * with the same bits.
     *
     * @throws DoesNotFitException if the host's limit is reached; nothing has changed then
     */
    public void suspend() {
        suspend(copies -> engine.device().copy(copies));
    }

    /**
     * As {@link #suspend}, beside the steps of other sessions: device memory is free once the copy
     * is done, which {@link Engine#settle} finds out.
     */
    public void beginSuspend() {
        suspend(
                copies -> {
                    transfer = engine.device().copyBeside(copies);
                    engine.leaving(this);
                });
    }

    private void suspend(Consumer<List<Device.Copy>> copy) {
        requireOpen();
        settle();
        if (suspended) {
            return;
        }
        awaitDecode();
        if (finished != null) {
            decodeFinished();
        }
        Parts device = new Parts(prompt, negative, latents, null);
        long bytes =
                caches().stream().mapToLong(KvCache::hostBytes).sum()
                        + HostTier.room(decoder.bytes())
                        + (prompt == null ? 0 : HostTier.room(prompt.bytes()))
                        + (negative == null ? 0 : HostTier.room(negative.bytes()))
                        + (latents == null ? 0 : HostTier.room(Tensors.bytes(latents)));
        parked = engine.host().park(parameters.uid(), bytes, new Views(device));
        try (PointerScope _ = new PointerScope()) {
            List<Device.Copy> copies = new ArrayList<>();
            caches().forEach(each -> each.suspend(parked, copies));
            Tensor decoderMemory = decoder.bind(parked);
            copies.add(new Device.Copy(decoderMemory, decoder.memory()));
            bindRest(device);
            device.copies(new Parts(prompt, negative, latents, null), copies);
            suspended = true;
            whenMoved =
                    () -> {
                        caches().forEach(KvCache::left);
                        engine.spareDecoder(decoderMemory);
                        device.close();
                        engine.budget().release(engine.model().sessionBytes());
                    };
            copy.accept(copies);
        }
        if (transfer == null) {
            moved();
        }
    }

    /** Prompts and latents in host memory: views of what they were. */
    private void bindRest(Parts was) {
        if (was.prompt() != null) {
            prompt = was.prompt().bound(parked);
        }
        if (was.negative() != null) {
            negative = was.negative().bound(parked);
        }
        if (was.latents() != null) {
            latents = parked.next(torch.ScalarType.Float, shapeOfLatents());
        }
    }

    private long[] shapeOfLatents() {
        int[] shape = engine.latentShape();
        return new long[] {shape[0], shape[1], shape[2], shape[3]};
    }

    /** What of a state is in tensors of its own; null where there is none. */
    private record Parts(
            CrossContext prompt, CrossContext negative, Tensor latents, Tensor decoderMemory) {
        /** Adds the copies from these to {@code others}. */
        void copies(Parts others, List<Device.Copy> copies) {
            if (prompt != null) {
                copies.add(new Device.Copy(prompt.memory(), others.prompt.memory()));
            }
            if (negative != null) {
                copies.add(new Device.Copy(negative.memory(), others.negative.memory()));
            }
            if (latents != null) {
                copies.add(new Device.Copy(latents, others.latents));
            }
        }

        void close() {
            if (prompt != null) {
                prompt.close();
            }
            if (negative != null) {
                negative.close();
            }
            if (latents != null) {
                latents.close();
            }
            if (decoderMemory != null) {
                decoderMemory.close();
            }
        }
    }

    /** Whether a copy of this session's state is on its way and not done. */
    boolean moving() {
        return transfer != null && !transfer.done();
    }

    /** Waits for the copy of this session's state, where one is on its way. */
    void settle() {
        if (transfer != null) {
            transfer.await();
            transfer = null;
            moved();
        }
    }

    private void moved() {
        engine.moved(this);
        Runnable last = whenMoved;
        whenMoved = null;
        last.run();
    }

    /** What the session holds of its parked state: views of host memory, while it is there. */
    private final class Views implements HostTier.Owner {
        /** Which parts there are; they are closed, but their shapes say enough. */
        private final boolean hasPrompt;

        private final boolean hasNegative;
        private final boolean hasLatents;

        Views(Parts parts) {
            hasPrompt = parts.prompt() != null;
            hasNegative = parts.negative() != null;
            hasLatents = parts.latents() != null;
        }

        @Override
        public void leaves() {
            settle();
            caches().forEach(KvCache::closeHost);
            decoder.close();
            new Parts(prompt, negative, latents, null).close();
            away = true;
        }

        @Override
        public void isBack() {
            caches().forEach(each -> each.bind(parked));
            decoder.bind(parked);
            if (hasPrompt) {
                prompt = boundContext();
            }
            if (hasNegative) {
                negative = boundContext();
            }
            if (hasLatents) {
                latents = parked.next(torch.ScalarType.Float, shapeOfLatents());
            }
            away = false;
        }

        private CrossContext boundContext() {
            return engine.transformer().boundCross(parked, engine.settings().textLen());
        }

        @Override
        public void isLost() {
            lost = true;
        }
    }

    /**
     * Begins to bring a suspended session's state nearer, from its file into host memory, so that
     * {@link #resume} need not wait for it.
     */
    public void prefetch() {
        requireOpen();
        if (suspended && !lost) {
            engine.host().prefetch(parked);
        }
    }

    /**
     * True where a suspended session's state was given up for other sessions': {@link #rebuild} in
     * a new session brings it back.
     */
    public boolean lost() {
        return lost;
    }

    /**
     * Moves the state back to the device.
     *
     * @throws DoesNotFitException if the device has no room; the session stays suspended
     * @throws IllegalStateException if the state is {@link #lost}
     */
    public void resume() {
        requireOpen();
        settle();
        if (suspended) {
            bringNear();
            resume(copies -> engine.device().copy(copies));
        }
    }

    /**
     * Goes on with coming back to the device, without waiting for files or copies: begins the next
     * of them where none is under way.
     *
     * @return true once the session can step; call it again until then
     * @throws DoesNotFitException if the device has no room; the session stays suspended
     * @throws IllegalStateException if the state is {@link #lost}
     */
    public boolean tryResume() {
        requireOpen();
        if (moving()) {
            return false;
        }
        settle();
        if (!suspended) {
            return true;
        }
        requireKept();
        if (!engine.host().near(parked)) {
            engine.host().prefetch(parked);
            if (engine.host().reading(parked)) {
                return false;
            }
        }
        bringNear();
        resume(copies -> transfer = engine.device().copyBeside(copies));
        return transfer == null;
    }

    private void resume(Consumer<List<Device.Copy>> copy) {
        engine.reserve(parameters.uid());
        engine.host().pin(parked);
        Device device = engine.device();
        try (PointerScope _ = new PointerScope()) {
            List<Device.Copy> copies = new ArrayList<>();
            caches().forEach(each -> each.resume(copies));
            Tensor hostMemory = decoder.onDevice(engine.spareDecoder());
            copies.add(new Device.Copy(hostMemory, decoder.memory()));
            Parts host = new Parts(prompt, negative, latents, hostMemory);
            prompt = prompt == null ? null : prompt.onDevice(device);
            negative = negative == null ? null : negative.onDevice(device);
            latents =
                    latents == null
                            ? null
                            : Tensors.owned(() -> device.zeroFloats(shapeOfLatents()));
            host.copies(new Parts(prompt, negative, latents, null), copies);
            whenMoved =
                    () -> {
                        caches().forEach(KvCache::arrived);
                        host.close();
                        engine.host().release(parked);
                        parked = null;
                        suspended = false;
                    };
            copy.accept(copies);
        }
        if (transfer == null) {
            moved();
        }
    }

    /** A suspended session's state is in host memory after this. */
    private void bringNear() {
        settle();
        if (suspended) {
            requireKept();
            engine.host().load(parked);
        }
    }

    private void requireKept() {
        if (lost) {
            throw new IllegalStateException(
                    "the state of session " + parameters.uid() + " was given up: rebuild it");
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
        settle();
        awaitDecode();
        if (suspended) {
            throw new IllegalStateException("session " + parameters.uid() + " is suspended");
        }
        TreeMap<Long, StoredChunk> stored = new TreeMap<>();
        lastChunks.forEach(each -> stored.put(each.chunk(), each));
        checkStored(nextChunk, stored);
        discardChunk();
        rewrites++;
        caches().forEach(KvCache::clear);
        forgetRecent();
        dropFinished();
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
        try (PointerScope _ = new PointerScope()) {
            Tensor clean = tensor(stored.latents());
            remember(stored.chunk(), clean);
            replay(stored.chunk(), clean, context);
        }
    }

    /** Writes a chunk's clean keys and values: a pass at t = 0. */
    private void replay(long number, Tensor clean, CrossContext context) {
        int count = engine.settings().framesPerChunk();
        applyNegativePrompt();
        caches().forEach(each -> each.beginChunk(number * count, count));
        try (PointerScope _ = new PointerScope()) {
            StepItem item = new StepItem(clean, 0, cache, context, true);
            engine.transformer()
                    .forward(unguided == null ? List.of(item) : List.of(item, withoutPrompt(item)));
        }
        caches().forEach(KvCache::commitChunk);
    }

    private Tensor tensor(LatentTensor latents) {
        int[] shape = latents.shape();
        float[] values = new float[latents.float32LittleEndian().length / Float.BYTES];
        java.nio.ByteBuffer.wrap(latents.float32LittleEndian())
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return engine.device().of(values, shape[0], shape[1], shape[2], shape[3]);
    }

    private void discardChunk() {
        if (latents != null) {
            latents.close();
            latents = null;
            caches().forEach(KvCache::abandonChunk);
        }
        step = 0;
    }

    /** Bytes of the session's state: on the device, or in host memory while it is suspended. */
    public long stateBytes() {
        return suspended && parked != null ? parked.bytes() : engine.model().sessionBytes();
    }

    KvCache cache() {
        return cache;
    }

    // What SessionState and SessionStateImport are made of.

    StatePosition position() {
        requireOpen();
        awaitDecode();
        requireTaken();
        return new StatePosition(
                parameters.seed(),
                chunk,
                latents == null ? 0 : step,
                latents != null,
                decoder.begun(),
                Objects.requireNonNullElse(promptInForce, ""),
                Objects.requireNonNullElse(pendingPrompt, ""),
                pendingSwitch,
                negativePrompt,
                pendingNegative != null,
                rewrites,
                window(cache),
                unguided == null ? StatePosition.Window.NONE : window(unguided));
    }

    private static StatePosition.Window window(KvCache of) {
        return new StatePosition.Window(
                LongStream.of(of.cachedFrames()).boxed().toList(),
                of.retrievedFrames().stream().sorted().toList());
    }

    List<StateRecord> records() {
        requireOpen();
        awaitDecode();
        bringNear();
        List<StateRecord> records = new ArrayList<>();
        for (KvCache each : caches()) {
            for (long frame : each.cachedFrames()) {
                for (int layer = 0; layer < each.layers(); layer++) {
                    records.add(pageRecord(each, frame, layer));
                }
            }
            for (long frame : each.bankFrames()) {
                for (String kind : BANK) {
                    Tensor kept = each.banked(frame, BANK.indexOf(kind));
                    records.add(record(of(each, kind) + "/" + frame, rewrites, kept));
                }
            }
        }
        addCross(records, CROSS, prompt, promptVersion);
        addCross(records, UNGUIDED + CROSS, negative, negativeVersion);
        List<Tensor> parts = decoder.parts();
        for (int i = 0; i < parts.size(); i++) {
            records.add(record(DECODER + "/" + i, made(chunk), parts.get(i)));
        }
        recent.forEach(
                (number, clean) -> records.add(record(CLEAN + "/" + number, made(0), clean)));
        if (firstFrame != null && chunk == 0) {
            records.add(record(FIRST_FRAME, 0, firstFrame));
        }
        if (latents != null) {
            records.add(record(LATENTS, made(chunk * (schedule.steps() + 1) + step), latents));
        }
        return records;
    }

    /** Grows with {@code count}, and whenever the session goes back. */
    private long made(long count) {
        return (rewrites << 40) + count;
    }

    private static void addCross(
            List<StateRecord> records, String name, CrossContext context, long version) {
        if (context != null) {
            for (int layer = 0; layer < context.layers(); layer++) {
                try (Tensor both = part(context, layer)) {
                    records.add(record(name + "/" + layer, version, both));
                }
            }
        }
    }

    /** Keys, then values of a layer. */
    private static Tensor part(CrossContext context, int layer) {
        return Tensors.owned(() -> context.memory().select(0, layer));
    }

    private String of(KvCache which, String kind) {
        return which == cache ? kind : UNGUIDED + kind;
    }

    private StateRecord pageRecord(KvCache of, long frame, int layer) {
        Precision precision = engine.device().precision();
        long numbers = of.pageBytes() / precision.bytes();
        return new StateRecord(
                of(of, PAGE) + "/" + frame + "/" + layer,
                rewrites,
                precision.dtype(),
                List.of(2L, numbers / 2),
                of.pageBytes());
    }

    private static StateRecord record(String name, long version, Tensor tensor) {
        return new StateRecord(
                name,
                version,
                Precision.dtypeOf(tensor.scalar_type().intern()),
                LongStream.of(Tensors.shape(tensor)).boxed().toList(),
                Tensors.bytes(tensor));
    }

    void copyRecord(StateRecord record, MemorySegment into) {
        requireOpen();
        bringNear();
        Name name = Name.of(record.name());
        if (name.kind().equals(PAGE)) {
            cacheOf(name).readPage(name.number(), name.layer(), into);
            return;
        }
        awaitDecode();
        Tensor from = tensor(name);
        if (from == null) {
            throw new IllegalStateException(
                    "session %s has no %s".formatted(parameters.uid(), record.name()));
        }
        try (from;
                PointerScope _ = new PointerScope()) {
            engine.device().read(from, into);
        }
    }

    /**
     * Where a record's bytes lie, for reading them without a copy; empty where they can only be
     * copied. A page's keys and values, else one part. A bank's frames do not change and are mostly
     * what a session with one has.
     */
    List<MemorySegment> memoryOf(StateRecord record) {
        Name name = Name.of(record.name());
        if (suspended || transfer != null || engine.device().kind() != Device.Kind.CPU) {
            return List.of();
        }
        return switch (name.kind()) {
            case PAGE -> cacheOf(name).page(name.number(), name.layer());
            case DECODER -> List.of(Tensors.memory(decoder.parts().get((int) name.number())));
            case BANK_KEYS, BANK_VALUES -> List.of(Tensors.memory(banked(name)));
            default -> List.of();
        };
    }

    private Tensor banked(Name name) {
        return cacheOf(name).banked(name.number(), BANK.indexOf(name.kind()));
    }

    /**
     * Says later, on any thread, whether the bytes of {@link #memoryOf} are still what they were.
     */
    BooleanSupplier unchanged(StateRecord record) {
        Name name = Name.of(record.name());
        return switch (name.kind()) {
            case PAGE -> cacheOf(name).unchanged(name.number());
            case DECODER -> decoder.unchanged();
            default -> () -> true;
        };
    }

    /** Tensors that the memory of {@link #memoryOf} lies in; the caller closes them. */
    List<Tensor> holdMemory(Collection<StateRecord> records) {
        List<Tensor> held = new ArrayList<>();
        held.add(Tensors.owned(() -> new Tensor(engine.pool().keys())));
        held.add(Tensors.owned(() -> new Tensor(engine.pool().values())));
        held.add(Tensors.owned(() -> new Tensor(decoder.memory())));
        for (StateRecord record : records) {
            Name name = Name.of(record.name());
            if (BANK.contains(name.kind())) {
                held.add(tensor(name));
            }
        }
        return held;
    }

    private KvCache cacheOf(Name name) {
        if (name.unguided() && unguided == null) {
            throw new IllegalArgumentException("this model runs without guidance");
        }
        return name.unguided() ? unguided : cache;
    }

    /** A record's tensor, no page's, for the caller to close; null where there is none. */
    private Tensor tensor(Name name) {
        Tensor found =
                switch (name.kind()) {
                    case CROSS -> {
                        CrossContext context = name.unguided() ? negative : prompt;
                        yield context == null ? null : part(context, (int) name.number());
                    }
                    case DECODER -> decoder.parts().get((int) name.number());
                    case CLEAN -> recent.get(name.number());
                    case BANK_KEYS, BANK_VALUES, LIKENESS -> banked(name);
                    case FIRST_FRAME -> firstFrame;
                    case LATENTS -> latents;
                    default -> throw new IllegalArgumentException("no such record: " + name.kind());
                };
        return found == null || name.kind().equals(CROSS)
                ? found
                : Tensors.owned(() -> new Tensor(found));
    }

    /** Makes room for a record that another session has; its tensor, for the caller to close. */
    private Tensor roomFor(Name name) {
        switch (name.kind()) {
            case CROSS -> {
                cacheOf(name);
                if (name.unguided() && negative == null) {
                    negative = engine.transformer().emptyCross(engine.settings().textLen());
                } else if (!name.unguided() && prompt == null) {
                    prompt = engine.transformer().emptyCross(engine.settings().textLen());
                }
            }
            case CLEAN -> {
                if (recent.size() > 2 * (windowChunks() + sinkChunks() + 2)) {
                    throw new IllegalArgumentException(
                            "there are more clean latents than a window");
                }
                recent.computeIfAbsent(name.number(), _ -> emptyLatents());
            }
            case FIRST_FRAME -> {
                if (firstFrame == null) {
                    long[] shape = shapeOfLatents();
                    shape[0] = 1;
                    firstFrame = Tensors.owned(() -> engine.device().zeroFloats(shape));
                }
            }
            case LATENTS -> latents = latents == null ? emptyLatents() : latents;
            case BANK_KEYS, BANK_VALUES, LIKENESS -> cacheOf(name).bankRoom(name.number());
            default -> {}
        }
        return tensor(name);
    }

    private Tensor emptyLatents() {
        return Tensors.owned(() -> engine.device().zeroFloats(shapeOfLatents()));
    }

    /**
     * Where a record's bytes go, in their order: memory of this session that may be filled by any
     * thread; empty on a GPU, where {@link #placeRecord} takes them.
     */
    List<MemorySegment> room(StateRecord record) throws StateMismatchException {
        return fitting(
                record,
                () -> {
                    Name name = Name.of(record.name());
                    boolean direct = engine.device().kind() == Device.Kind.CPU;
                    if (name.kind().equals(PAGE)) {
                        requireSame(pageRecord(record, name), record);
                        cacheOf(name).room(name.number());
                        return direct ? cacheOf(name).page(name.number(), name.layer()) : List.of();
                    }
                    try (Tensor into = roomFor(name)) {
                        requireSame(record(record.name(), 0, into), record);
                        return direct ? List.of(Tensors.memory(into)) : List.of();
                    }
                });
    }

    void placeRecord(StateRecord record, MemorySegment from) throws StateMismatchException {
        fitting(
                record,
                () -> {
                    Name name = Name.of(record.name());
                    if (from.byteSize() != record.bytes()) {
                        throw new IllegalArgumentException(
                                "it has %d bytes and %d came"
                                        .formatted(record.bytes(), from.byteSize()));
                    }
                    if (name.kind().equals(PAGE)) {
                        requireSame(pageRecord(record, name), record);
                        cacheOf(name).room(name.number());
                        cacheOf(name).placePage(name.number(), name.layer(), from);
                        return null;
                    }
                    try (Tensor into = roomFor(name);
                            PointerScope _ = new PointerScope()) {
                        requireSame(record(record.name(), 0, into), record);
                        engine.device().write(from, into);
                        return null;
                    }
                });
    }

    /** What this model's page of that name is. */
    private StateRecord pageRecord(StateRecord record, Name name) {
        if (name.layer() < 0 || name.layer() >= cache.layers() || name.number() < 0) {
            throw new IllegalArgumentException("this model has no such page");
        }
        return pageRecord(cacheOf(name), name.number(), name.layer());
    }

    private static <T> T fitting(StateRecord record, Supplier<T> placing)
            throws StateMismatchException {
        try {
            return placing.get();
        } catch (IllegalArgumentException | IllegalStateException | IndexOutOfBoundsException e) {
            throw new StateMismatchException(
                    "record %s does not fit this model: %s"
                            .formatted(record.name(), e.getMessage()),
                    e);
        }
    }

    private static void requireSame(StateRecord mine, StateRecord other) {
        if (!mine.dtype().equals(other.dtype())) {
            throw new IllegalArgumentException(
                    "its type is " + other.dtype() + ", not " + mine.dtype());
        }
        if (mine.bytes() != other.bytes() || !mine.shape().equals(other.shape())) {
            throw new IllegalArgumentException(
                    "its shape is %s, this model's %s".formatted(other.shape(), mine.shape()));
        }
    }

    void standAt(StatePosition position, List<StateRecord> records) throws StateMismatchException {
        requireOpen();
        if (position.seed() != parameters.seed()) {
            throw new StateMismatchException(
                    "the state's seed is %d, the session's %d"
                            .formatted(position.seed(), parameters.seed()));
        }
        Set<String> names = new HashSet<>();
        records.forEach(record -> names.add(record.name()));
        keepOnly(position, names);
        chunk = position.chunk();
        step = position.step();
        decoder.begun(position.decoderStarted());
        promptInForce = position.promptInForce().isEmpty() ? null : position.promptInForce();
        promptVersion = newest(records, CROSS);
        negativeVersion = newest(records, UNGUIDED + CROSS);
        rewrites = position.rewrites();
        pendingPrompt = null;
        pendingIds = null;
        try {
            if (!position.pendingPrompt().isEmpty()) {
                setPrompt(position.pendingPrompt(), position.pendingSwitch());
            }
            if (unguided != null && position.negativePending()) {
                setNegativePrompt(position.negativePrompt());
            }
        } catch (InvalidPromptException e) {
            throw new StateMismatchException("the state's " + e.getMessage(), e);
        }
        negativePrompt = position.negativePrompt();
        int count = engine.settings().framesPerChunk();
        try {
            cache.standAt(
                    position.window().retrieved(), chunk * count, latents == null ? 0 : count);
            if (unguided != null) {
                unguided.standAt(
                        position.unguidedWindow().retrieved(),
                        chunk * count,
                        latents == null ? 0 : count);
            }
        } catch (IllegalStateException e) {
            throw new StateMismatchException("the state's " + e.getMessage(), e);
        }
        // Last, since what is missing shows only now.
        if (!new HashSet<>(records()).equals(new HashSet<>(records))
                || !position().equals(position)) {
            throw new StateMismatchException(
                    "the state of session %s at chunk %d is not complete: its records do not belong to one position"
                            .formatted(parameters.uid(), chunk));
        }
    }

    void keepFrames(Collection<Long> frames, Collection<Long> unguidedFrames) {
        cache.keepFrames(frames);
        if (unguided != null) {
            unguided.keepFrames(unguidedFrames);
        }
        forgetOld();
    }

    /** Forgets what came early and does not belong to the state any more. */
    private void keepOnly(StatePosition position, Set<String> names) {
        keepFrames(position.window().cached(), position.unguidedWindow().cached());
        for (KvCache each : caches()) {
            each.keepBanked(frame -> names.contains(of(each, BANK_KEYS) + "/" + frame));
        }
        recent.entrySet()
                .removeIf(
                        each -> {
                            boolean gone = !names.contains(CLEAN + "/" + each.getKey());
                            if (gone) {
                                each.getValue().close();
                            }
                            return gone;
                        });
        if (firstFrame != null && !names.contains(FIRST_FRAME)) {
            firstFrame.close();
            firstFrame = null;
        }
        if (!position.midChunk() && latents != null) {
            latents.close();
            latents = null;
        }
    }

    private static long newest(List<StateRecord> records, String kind) {
        return records.stream()
                .filter(record -> record.name().startsWith(kind + "/"))
                .mapToLong(StateRecord::version)
                .max()
                .orElse(0);
    }

    private static final String PAGE = "kv";
    private static final String CROSS = "cross";
    private static final String DECODER = "vae";
    private static final String CLEAN = "clean";
    private static final String BANK_KEYS = "bankkeys";
    private static final String BANK_VALUES = "bankvalues";
    private static final String LIKENESS = "banklike";
    private static final List<String> BANK = List.of(BANK_KEYS, BANK_VALUES, LIKENESS);
    private static final String FIRST_FRAME = "firstframe";
    private static final String LATENTS = "latents";

    /** Before the names of what belongs to the video without the prompt. */
    private static final String UNGUIDED = "neg";

    /**
     * A record's name in its parts.
     *
     * @param number frame, chunk, layer or part
     * @param layer of a page
     */
    private record Name(boolean unguided, String kind, long number, int layer) {
        static Name of(String text) {
            String[] parts = text.split("/", 4);
            boolean unguided = parts[0].startsWith(UNGUIDED);
            return new Name(
                    unguided,
                    unguided ? parts[0].substring(UNGUIDED.length()) : parts[0],
                    parts.length > 1 ? Long.parseLong(parts[1]) : 0,
                    parts.length > 2 ? Integer.parseInt(parts[2]) : 0);
        }
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
        settle();
        awaitDecode();
        closed = true;
        dropFinished();
        forgetRecent();
        if (firstFrame != null) {
            firstFrame.close();
        }
        if (!away) {
            if (latents != null) {
                latents.close();
                latents = null;
            }
            decoder.close();
            if (prompt != null) {
                prompt.close();
            }
            if (negative != null) {
                negative.close();
            }
        }
        caches().forEach(KvCache::close);
        if (suspended) {
            engine.host().release(parked);
        } else {
            engine.budget().release(engine.model().sessionBytes());
        }
        engine.closed(this);
    }
}
