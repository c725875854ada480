package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Weights;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Wan2.1's VAE decoder, streaming: latent frames come in pieces of any length and yield the frames
 * that a decode of the whole clip would.
 *
 * <p>The first latent frame of a video yields one video frame, every other four: the two temporal
 * upsamplings leave it alone and start their own history after it.
 */
public final class VideoDecoder implements AutoCloseable {
    private static final long[] CHANNELS = {1};

    /** A part of the decoder; {@code [1, channels, frames, height, width]} in and out. */
    private sealed interface Stage {
        Tensor apply(Tensor x, DecoderState state);
    }

    /** A convolution with a history: where its past lies in the state and at which resolution. */
    private record Remembering(CausalConv conv, int index, int scale) {
        Tensor apply(Tensor x, DecoderState state) {
            return conv.apply(x, state.past(index));
        }
    }

    private final VaeConfig config;
    private final int latentHeight;
    private final int latentWidth;
    private final TensorOwner owner = new TensorOwner();
    private final List<Remembering> remembering = new ArrayList<>();
    private final List<Stage> stages = new ArrayList<>();
    private final CausalConv postQuant;
    private final Tensor mean;
    private final Tensor std;
    private final Scalar squareFloor;
    private final ScalarTypeOptional sameType;
    private final ScalarOptional low;
    private final ScalarOptional high;
    private final Scalar half;
    private int receptiveLatents;

    /**
     * Loads the decoder's weights of {@code model/vae}.
     *
     * @param latentHeight rows of the latents
     * @param latentWidth columns of the latents
     */
    public static VideoDecoder load(Path model, VaeConfig config, int latentHeight, int latentWidth)
            throws ModelException {
        try (Weights weights =
                Weights.open(model.resolve("vae"), "diffusion_pytorch_model", name -> name)) {
            VideoDecoder decoder = new VideoDecoder(weights, config, latentHeight, latentWidth);
            weights.ignore("encoder.");
            weights.ignore("quant_conv.");
            try {
                weights.finish();
            } catch (ModelException e) {
                decoder.close();
                throw e;
            }
            return decoder;
        }
    }

    private VideoDecoder(Weights weights, VaeConfig config, int latentHeight, int latentWidth)
            throws ModelException {
        this.config = config;
        this.latentHeight = latentHeight;
        this.latentWidth = latentWidth;
        try (PointerScope _ = new PointerScope()) {
            int channels = config.channels();
            mean = owner.ownCounted(Tensors.of(config.mean(), 1, channels, 1, 1));
            std = owner.ownCounted(Tensors.of(config.std(), 1, channels, 1, 1));
            squareFloor = owner.own(new Scalar(1e-24));
            sameType = owner.own(new ScalarTypeOptional());
            low = owner.own(new ScalarOptional(owner.own(new Scalar(-1.0))));
            high = owner.own(new ScalarOptional(owner.own(new Scalar(1.0))));
            half = owner.own(new Scalar(127.5));
            postQuant = CausalConv.of(owner, weights, "post_quant_conv", channels, channels, 1, 1);
            build(weights);
        } catch (ModelException e) {
            close();
            throw e;
        }
    }

    private void build(Weights weights) throws ModelException {
        // How far back, in latent frames, a video frame looks: two frames per convolution, at that
        // convolution's rate.
        double reach = 0;
        int rate = 1;
        int scale = 1;
        int[] mult = config.dimMult();
        int deepest = config.baseDim() * mult[3];
        stages.add(plain(weights, "decoder.conv_in", config.channels(), deepest, scale));
        reach += 2;
        stages.add(residual(weights, "decoder.mid_block.resnets.0", deepest, deepest, scale));
        stages.add(new FrameAttention(this, weights, "decoder.mid_block.attentions.0", deepest));
        stages.add(residual(weights, "decoder.mid_block.resnets.1", deepest, deepest, scale));
        reach += 8;
        int in = deepest;
        for (int level = 0; level < 4; level++) {
            int out = config.baseDim() * mult[3 - level];
            String name = "decoder.up_blocks." + level + ".";
            for (int i = 0; i <= config.resBlocks(); i++) {
                stages.add(residual(weights, name + "resnets." + i, i == 0 ? in : out, out, scale));
                reach += 4.0 / rate;
            }
            in = out;
            if (level < 3) {
                String up = name + "upsamplers.0.";
                if (config.temporalUp()[level]) {
                    Remembering time =
                            remember(
                                    CausalConv.of(
                                            owner, weights, up + "time_conv", out, 2L * out, 3, 1),
                                    scale);
                    stages.add(new TimeUpsample(time));
                    reach += 2.0 / rate;
                    rate *= 2;
                }
                stages.add(
                        new SpaceUpsample(
                                CausalConv.perFrame(
                                        owner, weights, up + "resample.1", out, out / 2, 3)));
                scale *= 2;
                in = out / 2;
            }
        }
        stages.add(
                new Head(
                        this,
                        gamma(weights, "decoder.norm_out", in, 3),
                        remember(
                                CausalConv.of(owner, weights, "decoder.conv_out", in, 3, 3, 3),
                                scale)));
        reach += 2.0 / rate;
        receptiveLatents = (int) Math.ceil(reach);
    }

    private Remembering remember(CausalConv conv, int scale) {
        Remembering kept = new Remembering(conv, remembering.size(), scale);
        remembering.add(kept);
        return kept;
    }

    private Stage plain(Weights weights, String name, int in, int out, int scale)
            throws ModelException {
        return new Plain(remember(CausalConv.of(owner, weights, name, in, out, 3, 3), scale));
    }

    private Stage residual(Weights weights, String name, int in, int out, int scale)
            throws ModelException {
        CausalConv shortcut =
                in == out
                        ? null
                        : CausalConv.of(owner, weights, name + ".conv_shortcut", in, out, 1, 1);
        return new Residual(
                this,
                gamma(weights, name + ".norm1", in, 3),
                remember(CausalConv.of(owner, weights, name + ".conv1", in, out, 3, 3), scale),
                gamma(weights, name + ".norm2", out, 3),
                remember(CausalConv.of(owner, weights, name + ".conv2", out, out, 3, 3), scale),
                shortcut);
    }

    /** A norm's weights with the factor sqrt(channels) folded in, {@code [channels, 1, 1, 1]}. */
    private Tensor gamma(Weights weights, String name, int channels, int dimensions)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            long[] shape = new long[dimensions + 1];
            java.util.Arrays.fill(shape, 1);
            shape[0] = channels;
            return owner.ownCounted(
                    weights.take(name + ".gamma", shape)
                            .mul(new Scalar(Math.sqrt(channels)))
                            .reshape(channels, 1, 1, 1));
        }
    }

    /**
     * RMS norm over channels; {@code x} is left as it is.
     *
     * <p>Sum of squares rather than a norm over dimension 1: LibTorch's norm of a strided dimension
     * is 50 times slower.
     */
    private Tensor norm(Tensor x, Tensor gamma) {
        Tensor scale = x.mul(x).sum(CHANNELS, true, sameType).clamp_min_(squareFloor).rsqrt_();
        return x.mul(scale).mul_(gamma);
    }

    private record Plain(Remembering conv) implements Stage {
        @Override
        public Tensor apply(Tensor x, DecoderState state) {
            return conv.apply(x, state);
        }
    }

    private record Residual(
            VideoDecoder decoder,
            Tensor gamma1,
            Remembering conv1,
            Tensor gamma2,
            Remembering conv2,
            CausalConv shortcut)
            implements Stage {
        @Override
        public Tensor apply(Tensor x, DecoderState state) {
            Tensor y = conv1.apply(torch.silu_(decoder.norm(x, gamma1)), state);
            y = conv2.apply(torch.silu_(decoder.norm(y, gamma2)), state);
            return y.add_(shortcut == null ? x : shortcut.apply(x));
        }
    }

    private record TimeUpsample(Remembering conv) implements Stage {
        @Override
        public Tensor apply(Tensor x, DecoderState state) {
            if (state.started()) {
                return doubled(x, state);
            }
            Tensor first = x.narrow(2, 0, 1);
            long rest = x.size(2) - 1;
            return rest == 0
                    ? first
                    : torch.cat(new TensorVector(first, doubled(x.narrow(2, 1, rest), state)), 2);
        }

        private Tensor doubled(Tensor x, DecoderState state) {
            long channels = x.size(1);
            long frames = x.size(2);
            return conv.apply(x, state)
                    .view(2, channels, frames, x.size(3), x.size(4))
                    .permute(1, 2, 0, 3, 4)
                    .reshape(1, channels, 2 * frames, x.size(3), x.size(4));
        }
    }

    private record SpaceUpsample(CausalConv conv) implements Stage {
        @Override
        public Tensor apply(Tensor x, DecoderState state) {
            long[] size = {x.size(2), 2 * x.size(3), 2 * x.size(4)};
            return conv.apply(torch.upsample_nearest3d(x, size));
        }
    }

    private static final class FrameAttention implements Stage {
        private final VideoDecoder decoder;
        private final Tensor gamma;
        private final CausalConv qkv;
        private final CausalConv out;

        FrameAttention(VideoDecoder decoder, Weights weights, String name, int channels)
                throws ModelException {
            this.decoder = decoder;
            this.gamma = decoder.gamma(weights, name + ".norm", channels, 2);
            this.qkv =
                    CausalConv.perFrame(
                            decoder.owner, weights, name + ".to_qkv", channels, 3L * channels, 1);
            this.out =
                    CausalConv.perFrame(
                            decoder.owner, weights, name + ".proj", channels, channels, 1);
        }

        @Override
        public Tensor apply(Tensor x, DecoderState state) {
            long channels = x.size(1);
            long frames = x.size(2);
            long pixels = x.size(3) * x.size(4);
            Tensor three =
                    qkv.apply(decoder.norm(x, gamma))
                            .view(3, channels, frames, pixels)
                            .permute(0, 2, 3, 1)
                            .contiguous()
                            .unsqueeze(2);
            Tensor mixed =
                    torch.scaled_dot_product_attention(
                            three.select(0, 0),
                            three.select(0, 1),
                            three.select(0, 2),
                            Tensors.NONE,
                            0.0,
                            false,
                            Tensors.DEFAULT_SCALE,
                            false);
            Tensor back =
                    mixed.view(frames, pixels, channels)
                            .permute(2, 0, 1)
                            .reshape(1, channels, frames, x.size(3), x.size(4));
            return out.apply(back).add_(x);
        }
    }

    private record Head(VideoDecoder decoder, Tensor gamma, Remembering conv) implements Stage {
        @Override
        public Tensor apply(Tensor x, DecoderState state) {
            return conv.apply(torch.silu_(decoder.norm(x, gamma)), state);
        }
    }

    /** A cache for a new video; owned by the caller. */
    public DecoderState newState() {
        Tensor[] past = new Tensor[remembering.size()];
        for (int i = 0; i < past.length; i++) {
            Remembering conv = remembering.get(i);
            past[i] =
                    conv.conv()
                            .newPast(
                                    (long) latentHeight * conv.scale(),
                                    (long) latentWidth * conv.scale());
        }
        return new DecoderState(past);
    }

    /** Bytes of one {@link DecoderState}. */
    public long stateBytes() {
        long bytes = 0;
        for (Remembering conv : remembering) {
            bytes +=
                    (long) Float.BYTES
                            * conv.conv().in()
                            * conv.conv().history()
                            * latentHeight
                            * conv.scale()
                            * latentWidth
                            * conv.scale();
        }
        return bytes;
    }

    /** How many latent frames back a video frame looks: 38 for the published sizes. */
    public int receptiveLatents() {
        return receptiveLatents;
    }

    /** Bytes of the weights. */
    public long weightBytes() {
        return owner.bytes();
    }

    /**
     * Decodes the next latent frames of a video.
     *
     * @param latents normalised, {@code [frames, channels, height, width]}
     * @return {@code [3, video frames, 8 height, 8 width]}, from -1 to 1
     */
    public Tensor decode(Tensor latents, DecoderState state) {
        return Tensors.scoped(
                () -> {
                    Tensor x =
                            torch.addcmul(mean, latents, std)
                                    .permute(1, 0, 2, 3)
                                    .contiguous()
                                    .unsqueeze(0);
                    Tensor y = Tensors.keep(postQuant.apply(x));
                    for (Stage stage : stages) {
                        Tensor input = y;
                        y = Tensors.owned(() -> stage.apply(input, state));
                        input.releaseReference();
                    }
                    Tensors.adopt(y);
                    state.start();
                    return y.squeeze(0).clamp_(low, high);
                });
    }

    /** Frames from -1 to 1 as {@code [frames, height, width, 3]} bytes, RGB24. */
    public Tensor rgb(Tensor frames) {
        return Tensors.scoped(
                () ->
                        frames.permute(1, 2, 3, 0)
                                .contiguous()
                                .mul_(half)
                                .add_(half)
                                .round_()
                                .to(torch.ScalarType.Byte));
    }

    @Override
    public void close() {
        owner.close();
    }
}
