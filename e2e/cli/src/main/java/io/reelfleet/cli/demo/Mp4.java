package io.reelfleet.cli.demo;

import java.nio.ByteBuffer;

/** Counts what a fragmented MP4 holds by its own boxes, so that nobody has to be believed. */
final class Mp4 {
    private static final int MOOF = code("moof");
    private static final int TRAF = code("traf");
    private static final int TRUN = code("trun");

    private Mp4() {}

    /**
     * Video frames: the samples of all track runs.
     *
     * @throws IllegalArgumentException when the boxes are not whole
     */
    static long frames(byte[] file) {
        return samples(ByteBuffer.wrap(file));
    }

    private static long samples(ByteBuffer in) {
        long samples = 0;
        while (in.remaining() > 0) {
            if (in.remaining() < 8) {
                throw new IllegalArgumentException("the file ends inside a box's head");
            }
            int start = in.position();
            long size = Integer.toUnsignedLong(in.getInt());
            int type = in.getInt();
            int head = 8;
            if (size == 1) {
                size = in.getLong();
                head = 16;
            } else if (size == 0) {
                size = in.limit() - start;
            }
            if (size < head || size > in.limit() - start) {
                throw new IllegalArgumentException(
                        "a box of " + size + " bytes does not fit into the file");
            }
            ByteBuffer body = in.slice(start + head, (int) size - head);
            if (type == MOOF || type == TRAF) {
                samples += samples(body);
            } else if (type == TRUN) {
                samples += Integer.toUnsignedLong(body.getInt(4));
            }
            in.position(start + (int) size);
        }
        return samples;
    }

    private static int code(String name) {
        return ByteBuffer.wrap(name.getBytes(java.nio.charset.StandardCharsets.US_ASCII)).getInt();
    }
}
