package io.reelfleet.migration.transport;

import com.google.protobuf.MessageLite;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.zip.CRC32C;

/**
 * Messages with bytes after them, over a link. A frame is a header of 32 bytes (magic, kind, length
 * and checksum of the message, number of bytes after it), the message, and the bytes.
 */
public final class Frames implements AutoCloseable {
    /** What a frame's message is. */
    public enum Kind {
        OPENING,
        BATCH,
        MANIFEST,
        VERDICT
    }

    /**
     * A frame that came.
     *
     * @param message in protobuf's binary form
     * @param bytes how many bytes lie in the buffer
     */
    public record Frame(Kind kind, byte[] message, long bytes) {}

    private static final int MAGIC = 0x52464d56;
    private static final int HEADER_BYTES = 32;
    private static final int MOST_MESSAGE_BYTES = 16 << 20;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    private final Link link;
    private final TransferBuffer header = new TransferBuffer(HEADER_BYTES);
    private TransferBuffer message = new TransferBuffer(64 << 10);

    public Frames(Link link) {
        this.link = link;
    }

    /** Sends a message and the first {@code bytes} of {@code data}. */
    public void send(
            Kind kind, MessageLite content, TransferBuffer data, long bytes, Duration within)
            throws TransportException {
        byte[] packed = content.toByteArray();
        fit(packed.length);
        MemorySegment.copy(packed, 0, message.memory(), ValueLayout.JAVA_BYTE, 0, packed.length);
        MemorySegment h = header.memory();
        h.set(INT, 0, MAGIC);
        h.set(INT, 4, kind.ordinal());
        h.set(INT, 8, packed.length);
        h.set(INT, 12, checksum(message.memory().asSlice(0, packed.length)));
        h.set(LONG, 16, bytes);
        h.set(LONG, 24, 0);
        link.send(header, HEADER_BYTES, within);
        if (packed.length > 0) {
            link.send(message, packed.length, within);
        }
        if (bytes > 0) {
            link.send(data, bytes, within);
        }
    }

    /** Receives a frame, whose bytes must fit into {@code data}. */
    public Frame receive(TransferBuffer data, Duration within) throws TransportException {
        link.receive(header, HEADER_BYTES, within);
        MemorySegment h = header.memory();
        int kind = h.get(INT, 4);
        int length = h.get(INT, 8);
        long bytes = h.get(LONG, 16);
        if (h.get(INT, 0) != MAGIC
                || kind < 0
                || kind >= Kind.values().length
                || length < 0
                || length > MOST_MESSAGE_BYTES
                || bytes < 0
                || bytes > data.capacity()) {
            throw new TransportException("what came is no frame of a move");
        }
        fit(length);
        byte[] packed = new byte[length];
        if (length > 0) {
            link.receive(message, length, within);
            if (checksum(message.memory().asSlice(0, length)) != h.get(INT, 12)) {
                throw new TransportException("a message came with a wrong checksum");
            }
            MemorySegment.copy(message.memory(), ValueLayout.JAVA_BYTE, 0, packed, 0, length);
        }
        if (bytes > 0) {
            link.receive(data, bytes, within);
        }
        return new Frame(Kind.values()[kind], packed, bytes);
    }

    private void fit(int length) {
        if (length > message.capacity()) {
            message.close();
            message = new TransferBuffer(Math.max(length, 2L * length));
        }
    }

    /** CRC-32C. */
    public static int checksum(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        long at = 0;
        while (at < bytes.byteSize()) {
            long part = Math.min(bytes.byteSize() - at, 1 << 30);
            crc.update(bytes.asSlice(at, part).asByteBuffer());
            at += part;
        }
        return (int) crc.getValue();
    }

    @Override
    public void close() {
        header.close();
        message.close();
        link.close();
    }
}
