package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.model.StreamingCache;
import io.reelfleet.engine.model.VaeConfig;
import io.reelfleet.engine.model.VideoDecoder;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import java.nio.file.Path;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoDecoderTest {
    @TempDir static Path folder;

    @BeforeAll
    static void write() throws Exception {
        RandomModel.tiny().write(folder, 3);
    }

    private static Tensor latents(int frames) {
        float[] noise = new float[frames * 16 * 4 * 4];
        NoiseSource.fill(1, 0, 0, noise);
        return Tensors.of(noise, frames, 16, 4, 4);
    }

    private static VideoDecoder decoder() throws ModelException {
        return VideoDecoder.load(
                Device.cpu(), folder, VaeConfig.read(folder.resolve("vae/config.json")), 4, 4);
    }

    @Test
    void piecesOfAnyLengthGiveTheFramesOfTheWholeClip() throws Exception {
        try (VideoDecoder decoder = decoder();
                StreamingCache whole = decoder.newState();
                StreamingCache pieces = decoder.newState();
                PointerScope _ = new PointerScope()) {
            Tensor latents = latents(12);
            Tensor expected = decoder.decode(latents, whole);
            assertThat(Tensors.shape(expected)).containsExactly(3, 45, 32, 32);
            TensorVector parts = new TensorVector();
            long at = 0;
            for (long count : new long[] {1, 3, 2, 1, 5}) {
                parts.push_back(decoder.decode(latents.narrow(0, at, count), pieces));
                at += count;
            }
            Tensor got = torch.cat(parts, 1);
            assertThat(got.sub(expected).abs().max().item_float()).isLessThan(1e-4f);
        }
    }

    @Test
    void whatLiesBeforeTheReceptiveFieldHasNoPartInAFrame() throws Exception {
        try (VideoDecoder decoder = decoder();
                StreamingCache all = decoder.newState();
                StreamingCache late = decoder.newState();
                PointerScope _ = new PointerScope()) {
            int reach = Math.ceilDiv(decoder.receptiveLatents(), 3) * 3;
            Tensor latents = latents(reach + 9);
            Tensor expected = null;
            for (int at = 0; at < reach + 9; at += 3) {
                expected = decoder.decode(latents.narrow(0, at, 3), all);
            }
            late.reset(true);
            Tensor got = null;
            for (int at = 6; at < reach + 9; at += 3) {
                got = decoder.decode(latents.narrow(0, at, 3), late);
            }
            assertThat(Tensors.toBytes(got.contiguous()))
                    .isEqualTo(Tensors.toBytes(expected.contiguous()));
        }
    }
}
