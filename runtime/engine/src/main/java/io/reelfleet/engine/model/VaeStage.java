package io.reelfleet.engine.model;

import io.reelfleet.engine.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/** A part of the VAE: {@code [1, channels, frames, height, width]} in and out. */
sealed interface VaeStage {
    /** Runs the stage; what it remembers of earlier frames is in {@code cache}. */
    Tensor apply(Tensor x, StreamingCache cache);

    /**
     * A convolution with a history: where its past lies in the cache, and how many times finer than
     * the latents its input is.
     */
    record Remembering(CausalConv conv, int index, int scale) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            return conv.apply(x, cache.past(index));
        }
    }

    /** A convolution without a history. */
    record Plain(CausalConv conv) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            return conv.apply(x);
        }
    }

    /**
     * Two norms and convolutions beside a shortcut, which is null where the channels stay the same.
     */
    record Residual(
            ChannelNorm norm1,
            Remembering conv1,
            ChannelNorm norm2,
            Remembering conv2,
            CausalConv shortcut)
            implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            Tensor y = conv1.apply(torch.silu_(norm1.apply(x)), cache);
            y = conv2.apply(torch.silu_(norm2.apply(y)), cache);
            return y.add_(shortcut == null ? x : shortcut.apply(x));
        }
    }

    /** Attention among the pixels of each frame, with one head. */
    record FrameAttention(ChannelNorm norm, CausalConv qkv, CausalConv out) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            long channels = x.size(1);
            long frames = x.size(2);
            long pixels = x.size(3) * x.size(4);
            Tensor three =
                    qkv.apply(norm.apply(x))
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

    /** Norm, activation and the last convolution. */
    record Head(ChannelNorm norm, Remembering conv) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            return conv.apply(torch.silu_(norm.apply(x)), cache);
        }
    }

    /** Twice as many frames, but for the very first of a video. */
    record TimeUpsample(Remembering conv) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            if (cache.started()) {
                return doubled(x, cache);
            }
            Tensor first = x.narrow(2, 0, 1);
            long rest = x.size(2) - 1;
            return rest == 0
                    ? first
                    : torch.cat(new TensorVector(first, doubled(x.narrow(2, 1, rest), cache)), 2);
        }

        private Tensor doubled(Tensor x, StreamingCache cache) {
            long channels = x.size(1);
            long frames = x.size(2);
            return conv.apply(x, cache)
                    .view(2, channels, frames, x.size(3), x.size(4))
                    .permute(1, 2, 0, 3, 4)
                    .reshape(1, channels, 2 * frames, x.size(3), x.size(4));
        }
    }

    /** Twice the height and width. */
    record SpaceUpsample(CausalConv conv) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            long[] size = {x.size(2), 2 * x.size(3), 2 * x.size(4)};
            return conv.apply(torch.upsample_nearest3d(x, size));
        }
    }

    /** Half the height and width; a row and a column of zeros are put after the last. */
    record SpaceDownsample(CausalConv conv) implements VaeStage {
        private static final long[] AFTER = {0, 1, 0, 1};

        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            return conv.apply(torch.constant_pad_nd(x, AFTER));
        }
    }

    /** Half the frames of a whole clip, but for the very first. */
    record TimeDownsample(CausalConv conv) implements VaeStage {
        @Override
        public Tensor apply(Tensor x, StreamingCache cache) {
            Tensor first = x.narrow(2, 0, 1);
            return x.size(2) == 1 ? first : torch.cat(new TensorVector(first, conv.apply(x)), 2);
        }
    }
}
