package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.model.VaeStage.Remembering;
import io.reelfleet.engine.tensor.TensorOwner;
import io.reelfleet.engine.weights.Weights;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** Puts the stages of a VAE half together from its weights, and counts what they remember. */
final class VaeBuilder {
    private final TensorOwner owner;
    private final Weights weights;
    private final List<VaeStage> stages = new ArrayList<>();
    private final List<Remembering> remembering = new ArrayList<>();

    VaeBuilder(TensorOwner owner, Weights weights) {
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
        return remember(CausalConv.of(owner, weights, name, in, out, 3, 3), scale);
    }

    private ChannelNorm norm(String name, long channels) throws ModelException {
        return new ChannelNorm(owner, weights, name, channels, 3);
    }

    void pointwise(String name, long in, long out) throws ModelException {
        stages.add(new VaeStage.Plain(CausalConv.of(owner, weights, name, in, out, 1, 1)));
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
                        in == out ? null : CausalConv.of(owner, weights, shortcut, in, out, 1, 1)));
    }

    void middle(String name, long channels, int scale) throws ModelException {
        residual(name + ".resnets.0", channels, channels, scale);
        String attention = name + ".attentions.0";
        stages.add(
                new VaeStage.FrameAttention(
                        new ChannelNorm(owner, weights, attention + ".norm", channels, 2),
                        CausalConv.perFrame(
                                owner, weights, attention + ".to_qkv", channels, 3 * channels, 1),
                        CausalConv.perFrame(
                                owner, weights, attention + ".proj", channels, channels, 1)));
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
                        CausalConv.perFrame(owner, weights, name + ".resample.1", in, out, 3)));
    }

    void spaceDownsample(String name, long channels) throws ModelException {
        stages.add(
                new VaeStage.SpaceDownsample(
                        CausalConv.halvingSpace(owner, weights, name + ".resample.1", channels)));
    }

    void timeDownsample(String name, long channels) throws ModelException {
        stages.add(
                new VaeStage.TimeDownsample(
                        CausalConv.halvingTime(owner, weights, name + ".time_conv", channels)));
    }

    /** A cache for inputs of this size at scale 1, zeroed; owned by the caller. */
    static StreamingCache newCache(List<Remembering> remembering, long height, long width) {
        Tensor[] past = new Tensor[remembering.size()];
        for (int i = 0; i < past.length; i++) {
            Remembering each = remembering.get(i);
            past[i] = each.conv().newPast(height * each.scale(), width * each.scale());
        }
        return new StreamingCache(past);
    }
}
