package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.model.VaeStage.Remembering;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.weights.Weights;
import java.util.ArrayList;
import java.util.List;

/** Puts the stages of a VAE half together from its weights, and counts what they remember. */
final class VaeBuilder {
    private final Device device;
    private final TensorOwner owner;
    private final Weights weights;
    private final List<VaeStage> stages = new ArrayList<>();
    private final List<Remembering> remembering = new ArrayList<>();

    VaeBuilder(Device device, TensorOwner owner, Weights weights) {
        this.device = device;
        this.owner = owner;
        this.weights = weights;
    }

    List<VaeStage> stages() {
        return stages;
    }

    List<Remembering> remembering() {
        return remembering;
    }

    private Remembering remember(CausalConv conv, int scale) {
        Remembering kept = new Remembering(conv, remembering.size(), scale);
        remembering.add(kept);
        return kept;
    }

    private Remembering cube(String name, long in, long out, int scale) throws ModelException {
        return remember(CausalConv.of(device, owner, weights, name, in, out, 3, 3), scale);
    }

    private ChannelNorm norm(String name, long channels) throws ModelException {
        return new ChannelNorm(device, owner, weights, name, channels, 3);
    }

    void pointwise(String name, long in, long out) throws ModelException {
        stages.add(new VaeStage.Plain(CausalConv.of(device, owner, weights, name, in, out, 1, 1)));
    }

    void conv(String name, long in, long out, int scale) throws ModelException {
        stages.add(cube(name, in, out, scale));
    }

    void residual(String name, long in, long out, int scale) throws ModelException {
        String shortcut = name + ".conv_shortcut";
        stages.add(
                new VaeStage.Residual(
                        norm(name + ".norm1", in),
                        cube(name + ".conv1", in, out, scale),
                        norm(name + ".norm2", out),
                        cube(name + ".conv2", out, out, scale),
                        in == out
                                ? null
                                : CausalConv.of(device, owner, weights, shortcut, in, out, 1, 1)));
    }

    void middle(String name, long channels, int scale) throws ModelException {
        residual(name + ".resnets.0", channels, channels, scale);
        String attention = name + ".attentions.0";
        stages.add(
                new VaeStage.FrameAttention(
                        new ChannelNorm(device, owner, weights, attention + ".norm", channels, 2),
                        CausalConv.perFrame(
                                device,
                                owner,
                                weights,
                                attention + ".to_qkv",
                                channels,
                                3 * channels,
                                1),
                        CausalConv.perFrame(
                                device,
                                owner,
                                weights,
                                attention + ".proj",
                                channels,
                                channels,
                                1)));
        residual(name + ".resnets.1", channels, channels, scale);
    }

    void head(String name, long in, long out, int scale) throws ModelException {
        stages.add(
                new VaeStage.Head(
                        norm(name + ".norm_out", in), cube(name + ".conv_out", in, out, scale)));
    }

    void timeUpsample(String name, long channels, int scale) throws ModelException {
        stages.add(
                new VaeStage.TimeUpsample(
                        remember(
                                CausalConv.of(
                                        device,
                                        owner,
                                        weights,
                                        name + ".time_conv",
                                        channels,
                                        2 * channels,
                                        3,
                                        1),
                                scale)));
    }

    void spaceUpsample(String name, long in, long out) throws ModelException {
        stages.add(
                new VaeStage.SpaceUpsample(
                        CausalConv.perFrame(
                                device, owner, weights, name + ".resample.1", in, out, 3)));
    }

    void spaceDownsample(String name, long channels) throws ModelException {
        stages.add(
                new VaeStage.SpaceDownsample(
                        CausalConv.halvingSpace(
                                device, owner, weights, name + ".resample.1", channels)));
    }

    void timeDownsample(String name, long channels) throws ModelException {
        stages.add(
                new VaeStage.TimeDownsample(
                        CausalConv.halvingTime(
                                device, owner, weights, name + ".time_conv", channels)));
    }

    /** A cache for inputs of this size at scale 1, zeroed; owned by the caller. */
    static StreamingCache newCache(
            Device device, List<Remembering> remembering, long height, long width) {
        long[][] shapes = new long[remembering.size()][];
        for (int i = 0; i < shapes.length; i++) {
            Remembering each = remembering.get(i);
            shapes[i] = each.conv().past(height * each.scale(), width * each.scale());
        }
        return new StreamingCache(device, shapes);
    }
}
