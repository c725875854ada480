package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Weights;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Wan2.1's diffusion transformer, causal over chunks as in Self-Forcing: a chunk attends to the
 * cached clean frames before it and to itself.
 *
 * <p>A pass takes one chunk of each of several sessions, whatever timestep and window each is at:
 * everything but attention runs on their concatenated tokens.
 */
public final class CausalVideoTransformer implements AutoCloseable {
    private static final int MODULATIONS = 6;
    private static final String STEM = "diffusion_pytorch_model";

    /**
     * Modulation of all layers and of the head at one timestep, with the views and options that
     * one-item passes use.
     */
    private record Modulation(Tensor table, Tensor[][] parts, TensorOptional[][] options) {}

    /** Weights of one block. */
    private record Block(
            Linear qkv,
            TensorOptional normQ,
            TensorOptional normK,
            Linear out,
            TensorOptional crossNorm,
            TensorOptional crossNormBias,
            Linear crossQ,
            TensorOptional crossNormQ,
            Linear crossKv,
            TensorOptional crossNormK,
            Linear crossOut,
            Linear up,
            Linear down) {}

    private final Device device;
    private final TransformerConfig config;
    private final int height;
    private final int width;
    private final TensorOwner owner = new TensorOwner();
    private final RotaryTables rotary;
    private final Linear patch;
    private final Linear text1;
    private final Linear text2;
    private final Linear time1;
    private final Linear time2;
    private final Linear timeProjection;
    private final Block[] blocks;
    private final Linear head;

    /**
     * {@code [layers x 6 + 2, dim]}: the learned modulation tables, with 1 already added to every
     * scale.
     */
    private final Tensor tables;

    private final long[] dimShape;
    private final DoubleOptional eps;
    private final Map<Double, Modulation> modulations = new LinkedHashMap<>();

    /**
     * Loads the weights of {@code model/transformer}, or of {@code model/original} where only that
     * is there.
     *
     * @param latentHeight rows of the latents
     * @param latentWidth columns of the latents
     */
    public static CausalVideoTransformer load(
            Device device, Path model, TransformerConfig config, int latentHeight, int latentWidth)
            throws ModelException {
        Path folder = model.resolve("transformer");
        Path original = model.resolve("original");
        if (!Files.isDirectory(folder) && Files.isDirectory(original)) {
            folder = original;
        }
        return loadFrom(device, folder, config, latentHeight, latentWidth);
    }

    /** Loads weights under the published names or those of the original Wan release. */
    public static CausalVideoTransformer loadFrom(
            Device device, Path folder, TransformerConfig config, int latentHeight, int latentWidth)
            throws ModelException {
        try (Weights weights = Weights.open(folder, STEM, OriginalNames::published, device)) {
            CausalVideoTransformer transformer =
                    new CausalVideoTransformer(device, weights, config, latentHeight, latentWidth);
            try {
                weights.finish();
            } catch (ModelException e) {
                transformer.close();
                throw e;
            }
            return transformer;
        }
    }

    private CausalVideoTransformer(
            Device device,
            Weights weights,
            TransformerConfig config,
            int latentHeight,
            int latentWidth)
            throws ModelException {
        this.device = device;
        this.config = config;
        this.height = latentHeight / TransformerConfig.PATCH;
        this.width = latentWidth / TransformerConfig.PATCH;
        int dim = config.dim();
        this.dimShape = new long[] {dim};
        this.eps = owner.own(new DoubleOptional(config.eps()));
        this.rotary = new RotaryTables(device, config.headDim(), height, width);
        try (PointerScope _ = new PointerScope()) {
            long patchSize = 4L * config.channels();
            Tensor patchWeight =
                    weights.take("patch_embedding.weight", dim, config.channels(), 1, 2, 2)
                            .reshape(dim, patchSize);
            patch = Linear.of(owner, patchWeight, weights.take("patch_embedding.bias", dim));
            String condition = "condition_embedder.";
            text1 =
                    Linear.of(
                            owner,
                            weights,
                            condition + "text_embedder.linear_1",
                            config.textDim(),
                            dim);
            text2 = Linear.of(owner, weights, condition + "text_embedder.linear_2", dim, dim);
            // What becomes shift, scale and gate stays in float32, as the public code keeps it.
            time1 =
                    Linear.inFloats(
                            owner,
                            weights,
                            condition + "time_embedder.linear_1",
                            config.freqDim(),
                            dim);
            time2 = Linear.inFloats(owner, weights, condition + "time_embedder.linear_2", dim, dim);
            timeProjection =
                    Linear.inFloats(
                            owner, weights, condition + "time_proj", dim, (long) MODULATIONS * dim);
            blocks = new Block[config.layers()];
            TensorVector learned = new TensorVector();
            for (int i = 0; i < blocks.length; i++) {
                blocks[i] = block(weights, "blocks." + i + ".");
                Tensor table =
                        weights.takeFloats(
                                        "blocks." + i + ".scale_shift_table", 1, MODULATIONS, dim)
                                .reshape(MODULATIONS, dim);
                learned.push_back(table.add(scales(MODULATIONS, dim, 1, 4)));
            }
            Tensor last = weights.takeFloats("scale_shift_table", 1, 2, dim).reshape(2, dim);
            learned.push_back(last.add(scales(2, dim, 1)));
            tables = owner.ownCounted(torch.cat(learned, 0));
            head = Linear.of(owner, weights, "proj_out", dim, patchSize);
        } catch (ModelException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** One in the given rows, zero elsewhere. */
    private Tensor scales(int rows, int dim, int... ones) {
        Tensor add = device.zeroFloats(rows, dim);
        for (int row : ones) {
            add.select(0, row).fill_(new org.bytedeco.pytorch.Scalar(1.0));
        }
        return add;
    }

    private Block block(Weights weights, String name) throws ModelException {
        int dim = config.dim();
        String self = name + "attn1.";
        String cross = name + "attn2.";
        return new Block(
                Linear.joined(
                        owner, weights, dim, dim, self + "to_q", self + "to_k", self + "to_v"),
                vector(weights, self + "norm_q.weight"),
                vector(weights, self + "norm_k.weight"),
                Linear.of(owner, weights, self + "to_out.0", dim, dim),
                config.crossNorm() ? vector(weights, name + "norm2.weight") : null,
                config.crossNorm() ? vector(weights, name + "norm2.bias") : null,
                Linear.of(owner, weights, cross + "to_q", dim, dim),
                vector(weights, cross + "norm_q.weight"),
                Linear.joined(owner, weights, dim, dim, cross + "to_k", cross + "to_v"),
                vector(weights, cross + "norm_k.weight"),
                Linear.of(owner, weights, cross + "to_out.0", dim, dim),
                Linear.of(owner, weights, name + "ffn.net.0.proj", dim, config.ffnDim()),
                Linear.of(owner, weights, name + "ffn.net.2", config.ffnDim(), dim));
    }

    private TensorOptional vector(Weights weights, String name) throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            return owner.own(
                    new TensorOptional(owner.ownCounted(weights.take(name, config.dim()))));
        }
    }

    public TransformerConfig config() {
        return config;
    }

    /** Tokens per latent frame. */
    public int tokensPerFrame() {
        return height * width;
    }

    /** Numbers in the weights. */
    public long parameters() {
        return owner.numbers();
    }

    /** Bytes of the weights. */
    public long weightBytes() {
        return owner.bytes();
    }

    /**
     * Keys and values of a prompt for every layer; the caller owns them.
     *
     * @param states the text encoder's states, zero after the prompt's end, {@code [textLen,
     *     textDim]}
     */
    public CrossContext cross(Tensor states) {
        CrossContext cross = emptyCross(Math.toIntExact(states.size(0)));
        try (PointerScope _ = new PointerScope()) {
            Tensor context = text2.apply(torch.gelu(text1.apply(states), "tanh"));
            int dim = config.dim();
            for (int i = 0; i < blocks.length; i++) {
                Tensor kv = blocks[i].crossKv().apply(context);
                Tensor k =
                        torch.rms_norm(kv.narrow(1, 0, dim), dimShape, blocks[i].crossNormK(), eps);
                cross.keys(i).copy_(heads(k));
                cross.values(i).copy_(heads(kv.narrow(1, dim, dim).contiguous()));
            }
        }
        return cross;
    }

    /** Room for the keys and values of a prompt that was encoded elsewhere; the caller owns it. */
    public CrossContext emptyCross(int textLen) {
        return CrossContext.in(
                Tensors.owned(
                        () ->
                                device.zeros(
                                        blocks.length,
                                        2,
                                        textLen,
                                        config.heads(),
                                        config.headDim())));
    }

    /** A prompt's keys and values in their part of a state in host memory: views. */
    public CrossContext boundCross(HostTier.Parked from, int textLen) {
        return CrossContext.in(
                from.next(
                        device.precision().type(),
                        blocks.length,
                        2,
                        textLen,
                        config.heads(),
                        config.headDim()));
    }

    /** Bytes of one prompt's {@link CrossContext}. */
    public long crossBytes(int textLen) {
        return 2L * device.precision().bytes() * config.layers() * textLen * config.dim();
    }

    /** {@code [tokens, dim]} seen as {@code [1, heads, tokens, headDim]}. */
    private Tensor heads(Tensor x) {
        return x.view(1, x.size(0), config.heads(), config.headDim()).transpose(1, 2);
    }

    private Modulation modulation(double timestep) {
        Modulation known = modulations.get(timestep);
        if (known != null) {
            return known;
        }
        if (modulations.size() >= 64) {
            throw new IllegalStateException("more than 64 different timesteps in one model");
        }
        int dim = config.dim();
        int half = config.freqDim() / 2;
        float[] sinusoids = new float[config.freqDim()];
        for (int i = 0; i < half; i++) {
            double angle = timestep * Math.pow(10_000, -(double) i / half);
            sinusoids[i] = (float) Math.cos(angle);
            sinusoids[half + i] = (float) Math.sin(angle);
        }
        int layers = blocks.length;
        try (PointerScope _ = new PointerScope()) {
            Tensor embedding =
                    time2.apply(torch.silu(time1.apply(device.of(sinusoids, 1, config.freqDim()))));
            Tensor projected = timeProjection.apply(torch.silu(embedding)).view(MODULATIONS, dim);
            Tensor table =
                    device.narrowed(
                            torch.cat(
                                            new TensorVector(
                                                    projected.repeat(layers, 1),
                                                    embedding.repeat(2, 1)),
                                            0)
                                    .add_(tables));
            owner.ownCounted(table);
            Tensor[][] parts = new Tensor[layers + 1][];
            TensorOptional[][] options = new TensorOptional[layers + 1][];
            for (int layer = 0; layer <= layers; layer++) {
                int count = layer == layers ? 2 : MODULATIONS;
                parts[layer] = new Tensor[count];
                options[layer] = new TensorOptional[count];
                for (int i = 0; i < count; i++) {
                    parts[layer][i] = owner.own(table.select(0, (long) layer * MODULATIONS + i));
                    options[layer][i] = owner.own(new TensorOptional(parts[layer][i]));
                }
            }
            Modulation made = new Modulation(table, parts, options);
            modulations.put(timestep, made);
            return made;
        }
    }

    /** What a pass needs to know of one item. */
    private record Place(
            StepItem item,
            long firstToken,
            long tokens,
            long frames,
            Tensor turn,
            Tensor pastTurn) {}

    /**
     * One pass.
     *
     * @return the predicted flow in float32 of all items, one after the other, {@code [frames of
     *     all, channels, height, width]}, or null if every item only writes its cache
     */
    public Tensor forward(List<StepItem> items) {
        return Tensors.scoped(() -> pass(items));
    }

    private Tensor pass(List<StepItem> items) {
        Place[] places = new Place[items.size()];
        long tokens = 0;
        boolean onlyWrites = true;
        TensorVector latents = new TensorVector();
        for (int i = 0; i < places.length; i++) {
            StepItem item = items.get(i);
            long frames = item.latents().size(0);
            long count = frames * tokensPerFrame();
            places[i] =
                    new Place(
                            item,
                            tokens,
                            count,
                            frames,
                            rotary.at(item.cache().chunkPositions()),
                            item.cache().pastFrames() == 0
                                    ? null
                                    : rotary.at(item.cache().pastPositions()));
            tokens += count;
            onlyWrites &= item.writes();
            latents.push_back(item.latents());
        }
        Tensor all = places.length == 1 ? items.getFirst().latents() : torch.cat(latents, 0);
        Modulator modulator =
                places.length == 1 && items.getFirst().givenFrames() == 0
                        ? new OneTimestep(modulation(items.getFirst().timestep()))
                        : new ManyTimesteps(places);
        Tensor x = patch.apply(device.narrowed(patches(all)));
        for (int layer = 0; layer < blocks.length; layer++) {
            try (PointerScope _ = new PointerScope()) {
                boolean stopAfterCache = onlyWrites && layer == blocks.length - 1;
                block(layer, x, places, modulator, stopAfterCache);
            }
        }
        if (onlyWrites) {
            return x;
        }
        Tensor y = head.apply(modulator.norm(x, blocks.length, 1, 0));
        return unpatch(device.widened(y), all.size(0));
    }

    private void block(
            int layer, Tensor x, Place[] places, Modulator modulator, boolean stopAfterCache) {
        Block block = blocks[layer];
        int dim = config.dim();
        Tensor qkv = block.qkv().apply(modulator.norm(x, layer, 1, 0));
        Tensor q = torch.rms_norm(qkv.narrow(1, 0, dim), dimShape, block.normQ(), eps);
        Tensor k = torch.rms_norm(qkv.narrow(1, dim, dim), dimShape, block.normK(), eps);
        Tensor v = qkv.narrow(1, 2L * dim, dim);
        for (Place place : places) {
            if (place.item().writes()) {
                place.item().cache().write(layer, part(k, place), part(v, place));
            }
        }
        if (stopAfterCache) {
            return;
        }
        TensorVector mixed = new TensorVector();
        for (Place place : places) {
            mixed.push_back(
                    selfAttention(layer, place, part(q, place), part(k, place), part(v, place)));
        }
        modulator.addGated(x, block.out().apply(joined(mixed)), layer, 2);

        Tensor cq =
                block.crossQ()
                        .apply(
                                block.crossNorm() == null
                                        ? x
                                        : torch.layer_norm(
                                                x,
                                                dimShape,
                                                block.crossNorm(),
                                                block.crossNormBias(),
                                                config.eps(),
                                                false));
        cq = torch.rms_norm(cq, dimShape, block.crossNormQ(), eps);
        mixed = new TensorVector();
        for (Place place : places) {
            CrossContext prompt = place.item().prompt();
            mixed.push_back(
                    tokens(
                            attention(
                                    heads(part(cq, place)),
                                    prompt.keys(layer),
                                    prompt.values(layer))));
        }
        x.add_(block.crossOut().apply(joined(mixed)));

        Tensor inner = block.up().apply(modulator.norm(x, layer, 4, 3));
        modulator.addGated(x, block.down().apply(torch.gelu_(inner, "tanh")), layer, 5);
    }

    private Tensor selfAttention(int layer, Place place, Tensor q, Tensor k, Tensor v) {
        Tensor turnedQ = rotated(q, place.turn());
        Tensor keys = rotated(k, place.turn());
        Tensor values = v;
        if (place.pastTurn() != null) {
            long past = place.pastTurn().size(0);
            Tensor pastKeys = place.item().cache().pastKeys(layer).view(past, config.dim());
            Tensor pastValues = place.item().cache().pastValues(layer).view(past, config.dim());
            keys = torch.cat(new TensorVector(rotated(pastKeys, place.pastTurn()), keys), 0);
            values = torch.cat(new TensorVector(pastValues, v), 0);
        } else {
            values = v.contiguous();
        }
        return tokens(attention(heads(turnedQ), heads(keys), heads(values)));
    }

    private static Tensor attention(Tensor q, Tensor k, Tensor v) {
        return torch.scaled_dot_product_attention(
                q, k, v, Tensors.NONE, 0.0, false, Tensors.DEFAULT_SCALE, false);
    }

    /** {@code [1, heads, tokens, headDim]} back to {@code [tokens, dim]}. */
    private Tensor tokens(Tensor x) {
        return x.transpose(1, 2).reshape(-1, config.dim());
    }

    /**
     * RoPE: turns neighbouring channels of every head as complex numbers in float32, {@code
     * [tokens, dim]}.
     */
    private Tensor rotated(Tensor x, Tensor turn) {
        long tokens = x.size(0);
        Tensor pairs =
                torch.view_as_complex(
                        device.widened(x).view(tokens, config.heads(), config.headDim() / 2, 2));
        return device.narrowed(torch.view_as_real(pairs.mul(turn)).view(tokens, config.dim()));
    }

    /**
     * A cached layer's keys turned to the absolute positions of their frames, {@code [tokens,
     * heads, headDim]}.
     */
    public Tensor rotatedKeys(io.reelfleet.engine.cache.KvCache cache, int layer) {
        Tensor raw = cache.cached(layer, true);
        Tensor turn = rotary.at(cache.cachedFrames());
        return rotated(raw.view(turn.size(0), config.dim()), turn)
                .view(turn.size(0), config.heads(), config.headDim());
    }

    private static Tensor part(Tensor x, Place place) {
        return place.firstToken() == 0 && place.tokens() == x.size(0)
                ? x
                : x.narrow(0, place.firstToken(), place.tokens());
    }

    private static Tensor joined(TensorVector parts) {
        return parts.size() == 1 ? parts.get(0) : torch.cat(parts, 0);
    }

    /** {@code [frames, channels, 2 h, 2 w]} to {@code [frames x h x w, channels x 4]}. */
    private Tensor patches(Tensor latents) {
        long frames = latents.size(0);
        return latents.reshape(frames, config.channels(), height, 2, width, 2)
                .permute(0, 2, 4, 1, 3, 5)
                .reshape(frames * tokensPerFrame(), 4L * config.channels());
    }

    /** {@code [frames x h x w, 4 x channels]} to {@code [frames, channels, 2 h, 2 w]}. */
    private Tensor unpatch(Tensor x, long frames) {
        return x.view(frames, height, width, 2, 2, config.channels())
                .permute(0, 5, 1, 3, 2, 4)
                .reshape(frames, config.channels(), 2L * height, 2L * width);
    }

    /** Shift, scale and gate of the tokens, by the timestep each of them is at. */
    private sealed interface Modulator {
        /** Norm of {@code x}, scaled and shifted. */
        Tensor norm(Tensor x, int layer, int scale, int shift);

        /** Adds {@code y}, gated, to {@code x} in place. */
        void addGated(Tensor x, Tensor y, int layer, int gate);
    }

    /** All tokens at one timestep: scale and shift are the affine part of the norm. */
    private final class OneTimestep implements Modulator {
        private final Modulation modulation;

        OneTimestep(Modulation modulation) {
            this.modulation = modulation;
        }

        @Override
        public Tensor norm(Tensor x, int layer, int scale, int shift) {
            TensorOptional[] options = modulation.options()[layer];
            return torch.layer_norm(
                    x, dimShape, options[scale], options[shift], config.eps(), false);
        }

        @Override
        public void addGated(Tensor x, Tensor y, int layer, int gate) {
            x.addcmul_(y, modulation.parts()[layer][gate]);
        }
    }

    /** Items at several timesteps: one row of modulation per latent frame. */
    private final class ManyTimesteps implements Modulator {
        private final Tensor rows;
        private final long frames;

        ManyTimesteps(Place[] places) {
            TensorVector tables = new TensorVector();
            for (Place place : places) {
                long given = place.item().givenFrames();
                if (given > 0) {
                    tables.push_back(rows(0, given));
                }
                tables.push_back(rows(place.item().timestep(), place.frames() - given));
            }
            rows = torch.cat(tables, 0);
            frames = rows.size(0);
        }

        private Tensor rows(double timestep, long count) {
            return modulation(timestep).table().unsqueeze(0).expand(count, -1, -1);
        }

        private Tensor row(int layer, int part) {
            return rows.narrow(1, (long) layer * MODULATIONS + part, 1);
        }

        @Override
        public Tensor norm(Tensor x, int layer, int scale, int shift) {
            Tensor normal =
                    torch.layer_norm(x, dimShape, Tensors.NONE, Tensors.NONE, config.eps(), false)
                            .view(frames, -1, config.dim());
            return torch.addcmul(row(layer, shift), normal, row(layer, scale))
                    .view(-1, config.dim());
        }

        @Override
        public void addGated(Tensor x, Tensor y, int layer, int gate) {
            x.view(frames, -1, config.dim())
                    .addcmul_(y.view(frames, -1, config.dim()), row(layer, gate));
        }
    }

    @Override
    public void close() {
        rotary.close();
        modulations.clear();
        owner.close();
    }
}
