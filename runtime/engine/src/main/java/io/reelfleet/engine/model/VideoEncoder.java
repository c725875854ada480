package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.Weights;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * Wan2.1's VAE encoder, for whole clips of {@code 1 + 4 n} frames. No session holds one: its
 * weights are loaded where needed.
 */
public final class VideoEncoder implements AutoCloseable {
    private final Device device;
    private final TensorOwner owner = new TensorOwner();
    private final VaeConfig config;
    private final List<VaeStage> stages;
    private final List<VaeStage.Remembering> remembering;
    private final Tensor mean;
    private final Tensor std;

    /** Loads the encoder's weights of {@code model/vae}. */
    public static VideoEncoder load(Device device, Path model, VaeConfig config)
            throws ModelException {
        try (Weights weights =
                Weights.open(model.resolve("vae"), VideoDecoder.STEM, name -> name, device)) {
            VideoEncoder encoder = new VideoEncoder(device, weights, config);
            weights.ignore("decoder.");
            weights.ignore("post_quant_conv.");
            try {
                weights.finish();
            } catch (ModelException e) {
                encoder.close();
                throw e;
            }
            return encoder;
        }
    }

    private VideoEncoder(Device device, Weights weights, VaeConfig config) throws ModelException {
        this.device = device;
        this.config = config;
        try (PointerScope _ = new PointerScope()) {
            int channels = config.channels();
            mean = owner.ownCounted(device.of(config.mean(), channels, 1, 1, 1));
            std = owner.ownCounted(device.of(config.std(), channels, 1, 1, 1));
            VaeBuilder builder = new VaeBuilder(device, owner, weights);
            build(builder, config);
            stages = builder.stages();
            remembering = builder.remembering();
        } catch (ModelException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private static void build(VaeBuilder builder, VaeConfig config) throws ModelException {
        int scale = VaeConfig.SPATIAL;
        long in = config.encoderBaseDim();
        builder.conv("encoder.conv_in", 3, in, scale);
        int block = 0;
        for (int level = 0; level < 4; level++) {
            long out = (long) config.encoderBaseDim() * config.dimMult()[level];
            for (int i = 0; i < config.resBlocks(); i++) {
                builder.residual("encoder.down_blocks." + block++, in, out, scale);
                in = out;
            }
            if (level < 3) {
                String down = "encoder.down_blocks." + block++;
                builder.spaceDownsample(down, out);
                // The decoder's flags, from the other end.
                if (config.temporalUp()[2 - level]) {
                    builder.timeDownsample(down, out);
                }
                scale /= 2;
            }
        }
        builder.middle("encoder.mid_block", in, scale);
        builder.head("encoder", in, 2L * config.channels(), scale);
        builder.pointwise("quant_conv", 2L * config.channels(), 2L * config.channels());
    }

    /**
     * Encodes a whole clip.
     *
     * @param frames {@code [3, 1 + 4 n, height, width]}, from -1 to 1; height and width multiples
     *     of 8
     * @return the mode of the latents, normalised, {@code [channels, 1 + n, height / 8, width / 8]}
     */
    public Tensor encode(Tensor frames) {
        int side = VaeConfig.SPATIAL;
        if (frames.size(1) % 4 != 1 || frames.size(2) % side != 0 || frames.size(3) % side != 0) {
            throw new IllegalArgumentException(
                    "a clip must have 1 + 4 n frames and sides that are multiples of "
                            + side
                            + ", not "
                            + java.util.Arrays.toString(Tensors.shape(frames)));
        }
        return Tensors.scoped(
                () -> {
                    try (StreamingCache cache =
                            VaeBuilder.newCache(
                                    device,
                                    remembering,
                                    frames.size(2) / side,
                                    frames.size(3) / side)) {
                        Tensor both =
                                VideoDecoder.run(
                                        stages,
                                        device.place(frames).unsqueeze(0).contiguous(),
                                        cache);
                        return device.widened(both)
                                .squeeze(0)
                                .narrow(0, 0, config.channels())
                                .sub(mean)
                                .div(std);
                    }
                });
    }

    @Override
    public void close() {
        owner.close();
    }
}
