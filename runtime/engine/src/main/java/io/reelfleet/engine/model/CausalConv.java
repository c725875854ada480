package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.weights.Weights;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * A 3-D convolution that sees no later frame: the last frames of the call before are put in front
 * of its input, zeros at the start.
 */
final class CausalConv {
    private static final long[] ONES = {1, 1, 1};
    private static final long[] NONE = {0, 0, 0};
    private static final boolean ONE_DNN = torch.hasMKLDNN();

    /** Calling oneDNN outright: LibTorch takes a slower path for small float32 clips. */
    private final boolean oneDnn;

    private final Tensor weight;
    private final TensorOptional bias;
    private final long[] padding;
    private final long[] stride;
    private final int history;
    private final long in;
    private final long out;

    private CausalConv(
            Device device,
            TensorOwner owner,
            Tensor weight,
            Tensor bias,
            long[] padding,
            long[] stride) {
        this.oneDnn =
                ONE_DNN && device.kind() == Device.Kind.CPU && device.precision() == Precision.FP32;
        this.weight = owner.ownCounted(weight);
        this.bias = owner.own(new TensorOptional(owner.ownCounted(bias)));
        this.out = weight.size(0);
        this.in = weight.size(1);
        this.history = (int) weight.size(2) - 1;
        this.padding = padding;
        this.stride = stride;
    }

    /** Weights {@code [out, in, time, side, side]}. */
    static CausalConv of(
            Device device,
            TensorOwner owner,
            Weights weights,
            String name,
            long in,
            long out,
            int time,
            int side)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            return new CausalConv(
                    device,
                    owner,
                    weights.take(name + ".weight", out, in, time, side, side),
                    weights.take(name + ".bias", out),
                    new long[] {0, side / 2, side / 2},
                    ONES);
        }
    }

    /** A 2-D convolution, weights {@code [out, in, side, side]}, applied to every frame. */
    static CausalConv perFrame(
            Device device,
            TensorOwner owner,
            Weights weights,
            String name,
            long in,
            long out,
            int side)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            return new CausalConv(
                    device,
                    owner,
                    weights.take(name + ".weight", out, in, side, side).unsqueeze(2),
                    weights.take(name + ".bias", out),
                    new long[] {0, side / 2, side / 2},
                    ONES);
        }
    }

    /** A 2-D convolution of 3 x 3 that takes every second row and column, without padding. */
    static CausalConv halvingSpace(
            Device device, TensorOwner owner, Weights weights, String name, long channels)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            return new CausalConv(
                    device,
                    owner,
                    weights.take(name + ".weight", channels, channels, 3, 3).unsqueeze(2),
                    weights.take(name + ".bias", channels),
                    NONE,
                    new long[] {1, 2, 2});
        }
    }

    /** A convolution over three frames that takes every second one, without padding. */
    static CausalConv halvingTime(
            Device device, TensorOwner owner, Weights weights, String name, long channels)
            throws ModelException {
        try (PointerScope _ = new PointerScope()) {
            return new CausalConv(
                    device,
                    owner,
                    weights.take(name + ".weight", channels, channels, 3, 1, 1),
                    weights.take(name + ".bias", channels),
                    NONE,
                    new long[] {2, 1, 1});
        }
    }

    /** Frames of the past that it looks at. */
    int history() {
        return history;
    }

    long in() {
        return in;
    }

    long out() {
        return out;
    }

    /**
     * Convolves {@code x [1, in, frames, height, width]} to {@code [1, out, frames, height,
     * width]}.
     *
     * @param past the last {@link #history} input frames of the call before; overwritten with those
     *     of this call
     */
    Tensor apply(Tensor x, Tensor past) {
        Tensor input = torch.cat(new TensorVector(past, x), 2);
        past.copy_(input.narrow(2, input.size(2) - history, history));
        return convolve(input);
    }

    /** Convolves where there is no past to look at. */
    Tensor apply(Tensor x) {
        return convolve(x);
    }

    private Tensor convolve(Tensor x) {
        return oneDnn
                ? torch.mkldnn_convolution(x, weight, bias, padding, stride, ONES, 1)
                : torch.conv3d(x, weight, bias, stride, padding, ONES, 1);
    }

    /** Shape of the past frames of an input of this size. */
    long[] past(long height, long width) {
        return new long[] {1, in, history, height, width};
    }
}
