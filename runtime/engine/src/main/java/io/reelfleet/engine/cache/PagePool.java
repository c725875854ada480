package io.reelfleet.engine.cache;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Precision;
import io.reelfleet.engine.tensor.Tensors;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * All pages of a device. A page is the keys (before RoPE) and the values of one latent frame in one
 * layer, {@code [tokens x dim]} each.
 *
 * <p>The memory is reserved at once as address space; a page takes physical memory from its first
 * use on.
 */
public final class PagePool implements AutoCloseable {
    private final Device device;
    private final int capacity;
    private final long pageBytes;
    private final Tensor keys;
    private final Tensor values;
    private final MemorySegment keysMemory;
    private final MemorySegment valuesMemory;
    private final BitSet taken = new BitSet();

    /**
     * @param device where they lie, in its precision
     * @param capacity number of pages
     * @param tokens tokens per latent frame
     * @param dim channels of a token
     */
    public PagePool(Device device, int capacity, int tokens, int dim) {
        this.device = device;
        this.capacity = capacity;
        this.pageBytes = pageBytes(device.precision(), tokens, dim);
        this.keys = Tensors.owned(() -> device.empty(capacity, (long) tokens * dim));
        this.values = Tensors.owned(() -> device.empty(capacity, (long) tokens * dim));
        boolean here = device.kind() == Device.Kind.CPU;
        this.keysMemory = here ? Tensors.memory(keys) : MemorySegment.NULL;
        this.valuesMemory = here ? Tensors.memory(values) : MemorySegment.NULL;
    }

    /** Bytes of one page. */
    public static long pageBytes(Precision precision, int tokens, int dim) {
        return 2L * precision.bytes() * tokens * dim;
    }

    /** Where the pages lie. */
    public Device device() {
        return device;
    }

    /** Takes {@code count} pages or none. */
    public long[] take(int count) {
        if (count > capacity - used()) {
            throw new DoesNotFitException(
                    "session needs "
                            + count
                            + " KV pages, but only "
                            + (capacity - used())
                            + " of "
                            + capacity
                            + " are free: raise the device memory or free sessions");
        }
        long[] pages = new long[count];
        int page = 0;
        for (int i = 0; i < count; i++) {
            page = taken.nextClearBit(page);
            taken.set(page);
            pages[i] = page;
        }
        return pages;
    }

    /** Gives pages back. */
    public void give(long[] pages) {
        for (long page : pages) {
            if (!taken.get((int) page)) {
                throw new IllegalStateException("page " + page + " was given back twice");
            }
            taken.clear((int) page);
        }
    }

    /** Keys of all pages, {@code [pages, tokens x dim]}. */
    public Tensor keys() {
        return keys;
    }

    /** Values of all pages, {@code [pages, tokens x dim]}. */
    public Tensor values() {
        return values;
    }

    /** A page's keys, then its values, where they lie in memory of the CPU. */
    List<MemorySegment> memory(long page) {
        long half = pageBytes / 2;
        return List.of(
                keysMemory.asSlice(page * half, half), valuesMemory.asSlice(page * half, half));
    }

    /** Pages in use. */
    public int used() {
        return taken.cardinality();
    }

    public int capacity() {
        return capacity;
    }

    public long pageBytes() {
        return pageBytes;
    }

    @Override
    public void close() {
        keys.close();
        values.close();
    }
}
