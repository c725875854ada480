package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Weights;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * UMT5's encoder. It runs on a prompt's own tokens only: padding is masked in the public code and
 * its states are set to zero, so it has no part in the others.
 */
public final class TextEncoder implements AutoCloseable {
    private record Block(
            TensorOptional norm1,
            Linear qkv,
            Tensor bias,
            Linear out,
            TensorOptional norm2,
            Linear gateAndUp,
            Linear down) {}

    private final Device device;
    private final TextEncoderConfig config;
    private final TensorOwner owner = new TensorOwner();
    private final Tensor embedding;
    private final List<Block> blocks = new ArrayList<>();
    private final TensorOptional finalNorm;
    private final long[] dimShape;
    private final DoubleOptional eps;
    private final DoubleOptional unscaled;

    /** Loads the weights of {@code model/text_encoder}. */
    public static TextEncoder load(Device device, Path model, TextEncoderConfig config)
            throws ModelException {
        try (Weights weights =
                Weights.open(model.resolve("text_encoder"), "model", name -> name, device)) {
            TextEncoder encoder = new TextEncoder(device, weights, config);
            try {
                weights.finish();
            } catch (ModelException e) {
                encoder.close();
                throw e;
            }
            return encoder;
        }
    }

    private TextEncoder(Device device, Weights weights, TextEncoderConfig config)
            throws ModelException {
        this.device = device;
        this.config = config;
        this.dimShape = new long[] {config.dim()};
        this.eps = owner.own(new DoubleOptional(config.eps()));
        this.unscaled = owner.own(new DoubleOptional(1.0));
        try (PointerScope _ = new PointerScope()) {
            embedding =
                    owner.ownCounted(
                            weights.take("shared.weight", config.vocabulary(), config.dim()));
            // The same table again in files that were saved without tying it.
            weights.ignore("encoder.embed_tokens.");
            Tensor shared = null;
            for (int i = 0; i < config.layers(); i++) {
                String name = "encoder.block." + i + ".layer.";
                String attention = name + "0.SelfAttention.";
                String bias = attention + "relative_attention_bias.weight";
                if (i == 0 || weights.has(bias)) {
                    shared = owner.ownCounted(weights.take(bias, config.buckets(), config.heads()));
                }
                blocks.add(block(weights, name, attention, shared));
            }
            finalNorm = norm(weights, "encoder.final_layer_norm.weight");
        } catch (ModelException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private Block block(Weights weights, String name, String attention, Tensor bias)
            throws ModelException {
        long inner = (long) config.heads() * config.headDim();
        long dim = config.dim();
        String feed = name + "1.DenseReluDense.";
        return new Block(
                norm(weights, name + "0.layer_norm.weight"),
                matrices(
                        weights,
                        dim,
                        inner,
                        attention + "q.weight",
                        attention + "k.weight",
                        attention + "v.weight"),
                bias,
                matrices(weights, inner, dim, attention + "o.weight"),
                norm(weights, name + "1.layer_norm.weight"),
                matrices(weights, dim, config.ffnDim(), feed + "wi_0.weight", feed + "wi_1.weight"),
                matrices(weights, config.ffnDim(), dim, feed + "wo.weight"));
    }

    private TensorOptional norm(Weights weights, String name) throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            return owner.own(
                    new TensorOptional(owner.ownCounted(weights.take(name, config.dim()))));
        }
    }

    private Linear matrices(Weights weights, long in, long out, String... names)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            var parts = new org.bytedeco.pytorch.TensorVector();
            for (String name : names) {
                parts.push_back(weights.take(name, out, in));
            }
            return Linear.of(owner, torch.cat(parts, 0), null);
        }
    }

    public TextEncoderConfig config() {
        return config;
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
     * States of a prompt.
     *
     * @param ids its tokens
     * @param length rows of the result; those after the prompt's tokens are zero
     * @return {@code [length, dim]}; the innermost scope owns it
     */
    public Tensor encode(long[] ids, int length) {
        return Tensors.scoped(
                () -> {
                    Tensor x = embedding.index_select(0, device.of(ids, ids.length));
                    Tensor buckets = buckets(ids.length);
                    for (Block block : blocks) {
                        try (PointerScope _ = new PointerScope()) {
                            block(block, x, buckets);
                        }
                    }
                    Tensor states = device.zeros(length, config.dim());
                    states.narrow(0, 0, ids.length)
                            .copy_(torch.rms_norm(x, dimShape, finalNorm, eps));
                    return states;
                });
    }

    private void block(Block block, Tensor x, Tensor buckets) {
        long tokens = x.size(0);
        long inner = (long) config.heads() * config.headDim();
        Tensor qkv = block.qkv().apply(torch.rms_norm(x, dimShape, block.norm1(), eps));
        Tensor bias =
                block.bias()
                        .index_select(0, buckets)
                        .view(tokens, tokens, config.heads())
                        .permute(2, 0, 1)
                        .contiguous()
                        .unsqueeze(0);
        Tensor mixed =
                torch.scaled_dot_product_attention(
                        heads(qkv.narrow(1, 0, inner)),
                        heads(qkv.narrow(1, inner, inner)),
                        heads(qkv.narrow(1, 2 * inner, inner)),
                        new TensorOptional(bias),
                        0.0,
                        false,
                        unscaled,
                        false);
        x.add_(block.out().apply(mixed.transpose(1, 2).reshape(tokens, inner)));
        Tensor both = block.gateAndUp().apply(torch.rms_norm(x, dimShape, block.norm2(), eps));
        Tensor gate = torch.gelu(both.narrow(1, 0, config.ffnDim()), "tanh");
        x.add_(block.down().apply(gate.mul_(both.narrow(1, config.ffnDim(), config.ffnDim()))));
    }

    private Tensor heads(Tensor x) {
        return x.contiguous().view(1, x.size(0), config.heads(), config.headDim()).transpose(1, 2);
    }

    /** T5's bucket of every pair's distance, {@code [tokens x tokens]}. */
    private Tensor buckets(int tokens) {
        int sided = config.buckets() / 2;
        int exact = sided / 2;
        float span = (float) Math.log((double) config.maxDistance() / exact);
        long[] buckets = new long[tokens * tokens];
        for (int query = 0; query < tokens; query++) {
            for (int key = 0; key < tokens; key++) {
                int distance = Math.abs(key - query);
                int bucket = distance;
                if (distance >= exact) {
                    float logarithm = (float) Math.log((float) distance / exact);
                    bucket =
                            Math.min(sided - 1, exact + (int) (logarithm / span * (sided - exact)));
                }
                buckets[query * tokens + key] = key > query ? bucket + sided : bucket;
            }
        }
        return device.of(buckets, buckets.length);
    }

    @Override
    public void close() {
        owner.close();
    }
}
