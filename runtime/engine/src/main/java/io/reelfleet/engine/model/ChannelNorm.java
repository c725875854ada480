package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.weights.Weights;
import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;

/** RMS norm over the channels of {@code [1, channels, frames, height, width]}. */
final class ChannelNorm {
    private static final long[] CHANNELS = {1};

    private final Device device;
    private final Tensor gamma;
    private final Scalar floor;
    private final ScalarTypeOptional sameType;

    /**
     * @param dimensions of size one after the channels in the file's weights
     */
    ChannelNorm(
            Device device,
            TensorOwner owner,
            Weights weights,
            String name,
            long channels,
            int dimensions)
            throws ModelException {
        this.device = device;
        try (PointerScope _ = new PointerScope()) {
            long[] shape = new long[dimensions + 1];
            Arrays.fill(shape, 1);
            shape[0] = channels;
            // The public code scales the normed channels by sqrt(channels): folded into the
            // weights.
            this.gamma =
                    owner.ownCounted(
                            weights.takeFloats(name + ".gamma", shape)
                                    .mul(new Scalar(Math.sqrt(channels)))
                                    .reshape(channels, 1, 1, 1));
            this.floor = owner.own(new Scalar(1e-24));
            this.sameType = owner.own(new ScalarTypeOptional());
        }
    }

    /**
     * A normed copy of {@code x}, computed in float32.
     *
     * <p>By a sum of squares: LibTorch's norm over a strided dimension is 50 times slower.
     */
    Tensor apply(Tensor x) {
        Tensor wide = device.widened(x);
        Tensor scale = wide.mul(wide).sum(CHANNELS, true, sameType).clamp_min_(floor).rsqrt_();
        return device.narrowed(wide.mul(scale).mul_(gamma));
    }
}
