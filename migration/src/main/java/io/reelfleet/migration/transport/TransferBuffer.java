package io.reelfleet.migration.transport;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * Memory that a link sends from and receives into: a tensor of bytes, made once and used for many
 * transfers. Not safe for use by two threads at once.
 */
public final class TransferBuffer implements AutoCloseable {
    static {
        System.setProperty("org.bytedeco.javacpp.maxPhysicalBytes", "0");
        System.setProperty("org.bytedeco.javacpp.maxBytes", "0");
        Loader.load(torch.class);
    }

    private final Tensor tensor;
    private final MemorySegment memory;

    /**
     * @param capacity in bytes
     */
    @SuppressWarnings("restricted")
    public TransferBuffer(long capacity) {
        try (PointerScope _ = new PointerScope()) {
            tensor =
                    torch.empty(
                            new long[] {capacity}, new TensorOptions(torch.ScalarType.Byte), null);
            tensor.retainReference();
        }
        memory = MemorySegment.ofAddress(tensor.data_ptr().address()).reinterpret(capacity);
    }

    /** All of its memory, valid until it is closed. */
    public MemorySegment memory() {
        return memory;
    }

    public long capacity() {
        return memory.byteSize();
    }

    /** A tensor of bytes that lies in memory of somebody else's. */
    static Tensor over(MemorySegment bytes) {
        BytePointer at = new BytePointer(new Address(bytes.address()));
        return torch.from_blob(
                at, new long[] {bytes.byteSize()}, new TensorOptions(torch.ScalarType.Byte));
    }

    /** A pointer to memory that Java knows by its number. */
    private static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }

    static List<TransferBuffer> of(int count, long capacity) {
        return java.util.stream.Stream.generate(() -> new TransferBuffer(capacity))
                .limit(count)
                .toList();
    }

    @Override
    public void close() {
        tensor.close();
    }
}
