package io.reelfleet.server.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.VideoFrames;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A picture is one frame of the model's size, or is refused in a sentence. */
class ImagesTest {
    private static final int WIDTH = 48;
    private static final int HEIGHT = 32;

    private static byte[] picture(String format, int width, int height) throws Exception {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Random random = new Random(1);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, random.nextInt(1 << 24));
            }
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThat(ImageIO.write(image, format, out)).isTrue();
        return out.toByteArray();
    }

    private static void assertRefused(byte[] bytes, String sentence) {
        assertThatThrownBy(() -> Images.decode(bytes, WIDTH, HEIGHT))
                .isInstanceOf(Refusal.class)
                .hasMessageStartingWith("the picture of control 'reference': ")
                .hasMessageContaining(sentence)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n", "null"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "jpeg"})
    void aPictureOfTheModelsSizeIsTaken(String format) throws Exception {
        VideoFrames frame = Images.decode(picture(format, WIDTH, HEIGHT), WIDTH, HEIGHT);
        assertThat(frame.count()).isEqualTo(1);
        assertThat(frame.rgb()).hasSize(3 * WIDTH * HEIGHT);
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "jpeg"})
    void anotherSizeIsRefused(String format) throws Exception {
        assertRefused(
                picture(format, HEIGHT, WIDTH),
                "it is 32 x 48 pixels, the model's video 48 x 32: scale it to that");
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "jpeg"})
    void aPictureThatEndsEarlyIsRefusedWhereverItDoes(String format) throws Exception {
        byte[] whole = picture(format, WIDTH, HEIGHT);
        // Checksums and end marks alone may be missing: all pixels are there.
        for (int length = 0; length < whole.length - 32; length += 7) {
            assertRefused(Arrays.copyOf(whole, length), "it ");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "jpeg"})
    void aPictureWithDamageInsideIsDecodedOrRefused(String format) throws Exception {
        byte[] whole = picture(format, WIDTH, HEIGHT);
        Random random = new Random(2);
        int refused = 0;
        for (int i = 0; i < 500; i++) {
            byte[] bytes = whole.clone();
            for (int k = 0; k < 3; k++) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            try {
                assertThat(Images.decode(bytes, WIDTH, HEIGHT).rgb()).hasSize(3 * WIDTH * HEIGHT);
            } catch (Refusal e) {
                assertThat(e.getMessage())
                        .startsWith("the picture of control")
                        .doesNotContain("\n");
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    @Test
    void otherFormatsAreRefused() throws Exception {
        assertRefused(picture("gif", WIDTH, HEIGHT), "it is neither PNG nor JPEG");
        assertRefused("<svg/>".getBytes(StandardCharsets.UTF_8), "it is neither PNG nor JPEG");
        assertRefused(new byte[0], "it is neither PNG nor JPEG");
    }

    /** Some bytes that would be gigabytes of pixels. */
    @Test
    void aSmallFileThatUnpacksToAHugePictureIsRefusedByItsHead() throws Exception {
        byte[] png = png(60_000, 60_000, null);
        assertThat(png).hasSizeLessThan(1 << 20);
        assertRefused(png, "it is 60000 x 60000 pixels, the model's video 48 x 32");
        byte[] jpeg = picture("jpeg", WIDTH, HEIGHT);
        int head = frameHeader(jpeg);
        ByteBuffer.wrap(jpeg).putShort(head, (short) 65_000).putShort(head + 2, (short) 65_000);
        assertRefused(jpeg, "it is 65000 x 65000 pixels");
    }

    /** A text chunk of 256 MiB of zeros, packed: nobody asks for it, so nobody unpacks it. */
    @Test
    void whatIsPackedBesideThePixelsIsNotUnpacked() throws Exception {
        byte[] bomb = png(WIDTH, HEIGHT, deflated(1 << 28));
        assertThat(bomb).hasSizeLessThan(2 << 20);
        long before = allocated();
        assertThat(Images.decode(bomb, WIDTH, HEIGHT).rgb()).hasSize(3 * WIDTH * HEIGHT);
        assertThat(allocated() - before).isLessThan(64 << 20);
    }

    private static long allocated() {
        return ((com.sun.management.ThreadMXBean)
                        java.lang.management.ManagementFactory.getThreadMXBean())
                .getCurrentThreadAllocatedBytes();
    }

    /** Where a JPEG's frame header has its height and width. */
    private static int frameHeader(byte[] jpeg) {
        for (int at = 2; ; at += 2 + (ByteBuffer.wrap(jpeg).getShort(at + 2) & 0xffff)) {
            if ((jpeg[at + 1] & 0xff) == 0xc0) {
                return at + 5;
            }
        }
    }

    private static byte[] deflated(int zeros) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputStream deflater = new DeflaterOutputStream(out)) {
            byte[] some = new byte[1 << 20];
            for (int i = 0; i < zeros; i += some.length) {
                deflater.write(some, 0, Math.min(some.length, zeros - i));
            }
        }
        return out.toByteArray();
    }

    /** A grey picture of these sizes, its pixels packed, with a packed text where one is given. */
    private static byte[] png(int width, int height, byte[] text) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        chunk(
                out,
                "IHDR",
                ByteBuffer.allocate(13)
                        .putInt(width)
                        .putInt(height)
                        .put(new byte[] {8, 0, 0, 0, 0})
                        .array());
        if (text != null) {
            for (String kind : new String[] {"zTXt", "iCCP"}) {
                ByteArrayOutputStream content = new ByteArrayOutputStream();
                content.write("name\0\0".getBytes(StandardCharsets.US_ASCII));
                content.write(text);
                chunk(out, kind, content.toByteArray());
            }
        }
        // As many rows as are worth it: a reader that starts on them has gone too far already.
        chunk(out, "IDAT", deflated((width + 1) * Math.min(height, 1000)));
        chunk(out, "IEND", new byte[0]);
        return out.toByteArray();
    }

    private static void chunk(OutputStream to, String kind, byte[] content) throws Exception {
        byte[] name = kind.getBytes(StandardCharsets.US_ASCII);
        CRC32 crc = new CRC32();
        crc.update(name);
        crc.update(content);
        DataOutputStream out = new DataOutputStream(to);
        out.writeInt(content.length);
        out.write(name);
        out.write(content);
        out.writeInt((int) crc.getValue());
    }
}
