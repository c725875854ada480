package io.reelfleet.server.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SegmentEncoderTest {
    private static final int SIZE = 64;
    private static final int FPS = 16;

    @TempDir Path folder;
    private final SegmentEncoder encoder = new SegmentEncoder(SIZE, SIZE, FPS);

    @Test
    void initAndAllFragmentsTogetherDecodeToEveryFrameInOrder() throws Exception {
        int chunks = 6;
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        long first = 0;
        for (int k = 0; k < chunks; k++) {
            int frames = frames(k);
            EncodedSegment segment = encoder.encode(k, first, picture(first, frames), frames);
            if (k == 0) {
                file.write(segment.init());
            }
            file.write(segment.fragment());
            first += frames;
        }

        Path video = Files.write(folder.resolve("all.mp4"), file.toByteArray());
        List<Videos.Frame> decoded = Videos.decode(video);

        assertThat(decoded).hasSize(9 + 12 * (chunks - 1));
        for (int i = 0; i < decoded.size(); i++) {
            assertThat(decoded.get(i).seconds()).isEqualTo((double) i / FPS);
            assertThat(psnr(decoded.get(i).rgb(), picture(i, 1)))
                    .as("quality of frame %d's brightness, dB", i)
                    .isGreaterThan(38);
        }
    }

    @Test
    void aFragmentInTheMiddleDecodesOnItsOwn() throws Exception {
        EncodedSegment segment = encoder.encode(7, frameBefore(7), picture(frameBefore(7), 12), 12);
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        file.write(segment.init());
        file.write(segment.fragment());

        List<Videos.Frame> decoded =
                Videos.decode(Files.write(folder.resolve("one.mp4"), file.toByteArray()));

        assertThat(decoded).hasSize(12);
        assertThat(decoded.getFirst().seconds()).isEqualTo((double) frameBefore(7) / FPS);
    }

    @Test
    void pureNoiseIsEncodedToo() throws Exception {
        byte[] noise = new byte[12 * SIZE * SIZE * 3];
        new Random(1).nextBytes(noise);

        EncodedSegment segment = encoder.encode(0, 0, noise, 12);

        ByteArrayOutputStream file = new ByteArrayOutputStream();
        file.write(segment.init());
        file.write(segment.fragment());
        assertThat(Videos.decode(Files.write(folder.resolve("noise.mp4"), file.toByteArray())))
                .hasSize(12);
        assertThat(encoder.encode(0, 0, noise, 12).fragment())
                .as("the same frames give the same bytes")
                .isEqualTo(segment.fragment());
    }

    @Test
    void sequenceNumberAndDecodeTimeAreTheChunks() {
        byte[] fragment = encoder.encode(7, 81, picture(81, 12), 12).fragment();

        assertThat(box(fragment, "mfhd").getInt(4)).isEqualTo(8);
        assertThat(box(fragment, "tfdt").getLong(4)).isEqualTo(81_000L);
    }

    @Test
    void theSameFramesGiveTheSameBytesAndEveryChunkTheSameInit() {
        EncodedSegment once = encoder.encode(3, 33, picture(33, 12), 12);
        EncodedSegment again =
                new SegmentEncoder(SIZE, SIZE, FPS).encode(3, 33, picture(33, 12), 12);
        EncodedSegment other = encoder.encode(0, 0, picture(500, 9), 9);

        assertThat(again.fragment()).isEqualTo(once.fragment());
        assertThat(again.init()).isEqualTo(once.init());
        assertThat(other.init()).isEqualTo(once.init());
        assertThat(once.codec()).matches("avc1\\.[0-9a-f]{6}");
    }

    @Test
    void framesThatDoNotFitTheSizeAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> encoder.encode(0, 0, new byte[100], 9))
                .withMessageContaining("9 frames of 64x64");
        assertThatIllegalArgumentException().isThrownBy(() -> new SegmentEncoder(63, 64, 16));
    }

    private static int frames(long chunk) {
        return chunk == 0 ? 9 : 12;
    }

    private static long frameBefore(long chunk) {
        return chunk == 0 ? 0 : 9 + (chunk - 1) * 12;
    }

    /** A red disc on a gradient, one pixel further in each frame. */
    private static byte[] picture(long first, int frames) {
        byte[] rgb = new byte[frames * SIZE * SIZE * 3];
        int i = 0;
        for (long f = first; f < first + frames; f++) {
            for (int y = 0; y < SIZE; y++) {
                for (int x = 0; x < SIZE; x++) {
                    long dx = x - f % SIZE;
                    boolean disc = dx * dx + (y - 32) * (y - 32) < 150;
                    rgb[i++] = (byte) (disc ? 220 : 40 + x);
                    rgb[i++] = (byte) (disc ? 50 : 60 + y);
                    rgb[i++] = (byte) (disc ? 50 : 110);
                }
            }
        }
        return rgb;
    }

    /** Of the brightness alone: the colours have half its resolution in any 4:2:0 video. */
    private static double psnr(byte[] a, byte[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i += 3) {
            double d = brightness(a, i) - brightness(b, i);
            sum += d * d;
        }
        return 10 * Math.log10(255 * 255 / Math.max(1e-9, 3 * sum / a.length));
    }

    private static double brightness(byte[] rgb, int i) {
        return 0.2126 * (rgb[i] & 0xff)
                + 0.7152 * (rgb[i + 1] & 0xff)
                + 0.0722 * (rgb[i + 2] & 0xff);
    }

    private static ByteBuffer box(byte[] file, String name) {
        String text = new String(file, StandardCharsets.ISO_8859_1);
        int at = text.indexOf(name);
        assertThat(at).as(name).isPositive();
        return ByteBuffer.wrap(file, at + 4, file.length - at - 4).slice();
    }
}
