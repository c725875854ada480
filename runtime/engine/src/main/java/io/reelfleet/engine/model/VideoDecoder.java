package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.model.VaeStage.Remembering;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Weights;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Wan2.1's VAE decoder, streaming: latent frames come in pieces of any length and yield the frames
 * that a decode of the whole clip would.
 *
 * <p>The first latent frame of a video yields one video frame, every other four: the two temporal
 * upsamplings leave it alone and start their own history after it.
 */
public final class VideoDecoder implements AutoCloseable {
    static final String STEM = "diffusion_pytorch_model";

    private final Device device;
    private final int latentHeight;
    private final int latentWidth;
    private final TensorOwner owner = new TensorOwner();
    private final List<VaeStage> stages;
    private final List<Remembering> remembering;
    private final Tensor mean;
    private final Tensor std;
    private final ScalarOptional low;
    private final ScalarOptional high;
    private final Scalar half;
    private final int receptiveLatents;

    /**
     * Loads the decoder's weights of {@code model/vae}.
     *
     * @param latentHeight rows of the latents
     * @param latentWidth columns of the latents
     */
    public static VideoDecoder load(
            Device device, Path model, VaeConfig config, int latentHeight, int latentWidth)
            throws ModelException {
        try (Weights weights = Weights.open(model.resolve("vae"), STEM, name -> name, device)) {
            VideoDecoder decoder =
                    new VideoDecoder(device, weights, config, latentHeight, latentWidth);
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

    private VideoDecoder(
            Device device, Weights weights, VaeConfig config, int latentHeight, int latentWidth)
            throws ModelException {
        this.device = device;
        this.latentHeight = latentHeight;
        this.latentWidth = latentWidth;
        try (PointerScope _ = new PointerScope()) {
            int channels = config.channels();
            mean = owner.ownCounted(device.of(config.mean(), 1, channels, 1, 1));
            std = owner.ownCounted(device.of(config.std(), 1, channels, 1, 1));
            low = owner.own(new ScalarOptional(owner.own(new Scalar(-1.0))));
            high = owner.own(new ScalarOptional(owner.own(new Scalar(1.0))));
            half = owner.own(new Scalar(127.5));
            VaeBuilder builder = new VaeBuilder(device, owner, weights);
            receptiveLatents = build(builder, config);
            stages = builder.stages();
            remembering = builder.remembering();
        } catch (ModelException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** Adds all stages and returns how far back, in latent frames, a video frame looks. */
    private static int build(VaeBuilder builder, VaeConfig config) throws ModelException {
        int[] mult = config.dimMult();
        long deepest = (long) config.baseDim() * mult[3];
        builder.pointwise("post_quant_conv", config.channels(), config.channels());
        builder.conv("decoder.conv_in", config.channels(), deepest, 1);
        builder.middle("decoder.mid_block", deepest, 1);
        // Two frames per convolution, at the frame rate of that convolution.
        double reach = 2 + 8;
        int rate = 1;
        int scale = 1;
        long in = deepest;
        for (int level = 0; level < 4; level++) {
            long out = (long) config.baseDim() * mult[3 - level];
            String name = "decoder.up_blocks." + level + ".";
            for (int i = 0; i <= config.resBlocks(); i++) {
                builder.residual(name + "resnets." + i, i == 0 ? in : out, out, scale);
                reach += 4.0 / rate;
            }
            in = out;
            if (level < 3) {
                String up = name + "upsamplers.0";
                if (config.temporalUp()[level]) {
                    builder.timeUpsample(up, out, scale);
                    reach += 2.0 / rate;
                    rate *= 2;
                }
                builder.spaceUpsample(up, out, out / 2);
                scale *= 2;
                in = out / 2;
            }
        }
        builder.head("decoder", in, 3, scale);
        reach += 2.0 / rate;
        return (int) Math.ceil(reach);
    }

    /** A cache for a new video; owned by the caller. */
    public StreamingCache newState() {
        return VaeBuilder.newCache(device, remembering, latentHeight, latentWidth);
    }

    /** Bytes of one {@link #newState}. */
    public long stateBytes() {
        long bytes = 0;
        for (Remembering each : remembering) {
            long pixels = (long) latentHeight * latentWidth * each.scale() * each.scale();
            bytes += device.precision().bytes() * each.conv().in() * each.conv().history() * pixels;
        }
        return bytes;
    }

    /** How many latent frames back a video frame looks: 38 for the published sizes. */
    public int receptiveLatents() {
        return receptiveLatents;
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
     * Decodes the next latent frames of a video.
     *
     * @param latents normalised, float32, {@code [frames, channels, height, width]}
     * @return {@code [3, video frames, 8 height, 8 width]}, from -1 to 1, float32
     */
    public Tensor decode(Tensor latents, StreamingCache state) {
        state.changing();
        return Tensors.scoped(
                () -> {
                    Tensor input =
                            device.narrowed(torch.addcmul(mean, latents, std))
                                    .permute(1, 0, 2, 3)
                                    .contiguous()
                                    .unsqueeze(0);
                    Tensor output = run(stages, input, state);
                    state.start();
                    return device.widened(output).squeeze(0).clamp_(low, high);
                });
    }

    /** Runs stage after stage, freeing what each leaves behind. */
    static Tensor run(List<VaeStage> stages, Tensor input, StreamingCache cache) {
        Tensor y = Tensors.keep(input);
        for (VaeStage stage : stages) {
            Tensor x = y;
            y = Tensors.owned(() -> stage.apply(x, cache));
            x.releaseReference();
        }
        Tensors.adopt(y);
        return y;
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
