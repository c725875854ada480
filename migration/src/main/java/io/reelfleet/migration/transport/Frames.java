package io.reelfleet.migration.transport;

import com.google.protobuf.MessageLite;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.zip.CRC32C;

/**
 * Messages over a link. A frame is a block of fixed size that holds a header of 16 bytes (magic,
 * kind, length and checksum of the message) and the message's beginning; a longer one's rest
 * follows as a second piece. Pieces of state may follow a frame, as its message says.
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
     */
    public record Frame(Kind kind, byte[] message) {}

    private static final int MAGIC = 0x52464d57;
    private static final int HEADER_BYTES = 16;

    /** Large enough for what is said while a session stands still, but for the manifest. */
    private static final int BLOCK_BYTES = 8 << 10;

    private static final int MOST_MESSAGE_BYTES = 64 << 20;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    private final Link link;
    private final TransferBuffer block = new TransferBuffer(BLOCK_BYTES);
    private TransferBuffer rest = new TransferBuffer(BLOCK_BYTES);

    public Frames(Link link) {
        this.link = link;
    }

    /** The line they go over. */
    public Link link() {
        return link;
    }

    /** Sends a message. */
    public void send(Kind kind, MessageLite content, Duration within) throws TransportException {
        byte[] packed = content.toByteArray();
        MemorySegment b = block.memory();
        b.set(INT, 0, MAGIC);
        b.set(INT, 4, kind.ordinal());
        b.set(INT, 8, packed.length);
        b.set(INT, 12, checksum(MemorySegment.ofArray(packed)));
        int here = Math.min(packed.length, BLOCK_BYTES - HEADER_BYTES);
        MemorySegment.copy(packed, 0, b, ValueLayout.JAVA_BYTE, HEADER_BYTES, here);
        link.send(block, BLOCK_BYTES, within);
        int left = packed.length - here;
        if (left > 0) {
            fit(left);
            MemorySegment.copy(packed, here, rest.memory(), ValueLayout.JAVA_BYTE, 0, left);
            link.send(rest, left, within);
        }
    }

    /** Receives a message. */
    public Frame receive(Duration within) throws TransportException {
        link.receive(block, BLOCK_BYTES, within);
        MemorySegment b = block.memory();
        int kind = b.get(INT, 4);
        int length = b.get(INT, 8);
        if (b.get(INT, 0) != MAGIC
                || kind < 0
                || kind >= Kind.values().length
                || length < 0
                || length > MOST_MESSAGE_BYTES) {
            throw new TransportException("what came is no frame of a move");
        }
        int sum = b.get(INT, 12);
        byte[] packed = new byte[length];
        int here = Math.min(length, BLOCK_BYTES - HEADER_BYTES);
        MemorySegment.copy(b, ValueLayout.JAVA_BYTE, HEADER_BYTES, packed, 0, here);
        int left = length - here;
        if (left > 0) {
            fit(left);
            link.receive(rest, left, within);
            MemorySegment.copy(rest.memory(), ValueLayout.JAVA_BYTE, 0, packed, here, left);
        }
        if (checksum(MemorySegment.ofArray(packed)) != sum) {
            throw new TransportException("a message came with a wrong checksum");
        }
        return new Frame(Kind.values()[kind], packed);
    }

    private void fit(int length) {
        if (length > rest.capacity()) {
            rest.close();
            rest = new TransferBuffer(Math.max(length, Math.min(2L * length, MOST_MESSAGE_BYTES)));
        }
    }

    /** CRC-32C of all parts, one after the other. */
    public static int checksum(MemorySegment... parts) {
        CRC32C crc = new CRC32C();
        for (MemorySegment bytes : parts) {
            long at = 0;
            while (at < bytes.byteSize()) {
                long part = Math.min(bytes.byteSize() - at, 1 << 30);
                crc.update(bytes.asSlice(at, part).asByteBuffer());
                at += part;
            }
        }
        return (int) crc.getValue();
    }

    @Override
    public void close() {
        block.close();
        rest.close();
        link.close();
    }
}
