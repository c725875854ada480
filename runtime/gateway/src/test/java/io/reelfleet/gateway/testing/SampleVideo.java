package io.reelfleet.gateway.testing;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.MediaSegment;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A few seconds of real H.264 in fragmented MP4 (64x64 at 16 fps, 9 frames in the first chunk and
 * 12 in the others), repeated for as many chunks as a test wants, with sequence numbers and decode
 * times that go on.
 */
public final class SampleVideo {
    /** Frames per second. */
    public static final double FPS = 16;

    private static final int TICKS_PER_FRAME = 1000;

    private final byte[] init;
    private final List<byte[]> fragments;

    private SampleVideo(byte[] init, List<byte[]> fragments) {
        this.init = init;
        this.fragments = fragments;
    }

    /** The sample that lies beside this class. */
    public static SampleVideo load() {
        try (InputStream in = SampleVideo.class.getResourceAsStream("/sample.mp4")) {
            return of(in.readAllBytes());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Takes a fragmented MP4 apart. */
    public static SampleVideo of(byte[] file) {
        ByteBuffer bytes = ByteBuffer.wrap(file);
        List<byte[]> fragments = new ArrayList<>();
        int start = 0;
        int at = 0;
        byte[] init = null;
        while (at < file.length) {
            int size = bytes.getInt(at);
            String type = new String(file, at + 4, 4, StandardCharsets.US_ASCII);
            at += size;
            if (type.equals("moov")) {
                init = java.util.Arrays.copyOfRange(file, start, at);
                start = at;
            } else if (type.equals("mdat")) {
                fragments.add(java.util.Arrays.copyOfRange(file, start, at));
                start = at;
            }
        }
        return new SampleVideo(init, fragments);
    }

    /** Frames in chunk {@code k}. */
    public static int frames(long k) {
        return k == 0 ? 9 : 12;
    }

    /** Number of chunk {@code k}'s first frame. */
    public static long firstFrame(long k) {
        return k == 0 ? 0 : 9 + 12 * (k - 1);
    }

    /** Chunk {@code k}'s media. */
    public MediaSegment segment(long k) {
        return segment(k, ByteString.copyFrom(init));
    }

    /** The same as another encoder would begin it: a session whose owner changed may look so. */
    public MediaSegment segmentOfAnotherEncoder(long k) {
        // A free box more: other bytes, the same meaning.
        byte[] other = java.util.Arrays.copyOf(init, init.length + 8);
        ByteBuffer.wrap(other, init.length, 8)
                .putInt(8)
                .put("free".getBytes(StandardCharsets.US_ASCII));
        return segment(k, ByteString.copyFrom(other));
    }

    private MediaSegment segment(long k, ByteString withInit) {
        byte[] fragment =
                k == 0
                        ? fragments.getFirst().clone()
                        : fragments.get(1 + (int) ((k - 1) % (fragments.size() - 1))).clone();
        ByteBuffer bytes = ByteBuffer.wrap(fragment);
        bytes.putInt(find(fragment, "mfhd") + 8, (int) k + 1);
        int decodeTime = find(fragment, "tfdt");
        if (fragment[decodeTime + 4] == 1) {
            bytes.putLong(decodeTime + 8, firstFrame(k) * TICKS_PER_FRAME);
        } else {
            bytes.putInt(decodeTime + 8, (int) (firstFrame(k) * TICKS_PER_FRAME));
        }
        return MediaSegment.newBuilder()
                .setCodec("avc1.42c00a")
                .setInit(withInit)
                .setFragment(ByteString.copyFrom(fragment))
                .setFrames(frames(k))
                .setFirstFrame(firstFrame(k))
                .setFps(FPS)
                .setWidth(64)
                .setHeight(64)
                .build();
    }

    /** Where a box's type stands. */
    private static int find(byte[] file, String type) {
        for (int i = 0; i + 4 <= file.length; i++) {
            if (new String(file, i, 4, StandardCharsets.US_ASCII).equals(type)) {
                return i;
            }
        }
        throw new IllegalStateException("no " + type);
    }
}
