package io.reelfleet.engine.model;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/** Keys and values of a session's prompt for the cross-attention of every layer. */
public final class CrossContext implements AutoCloseable {
    private final Tensor memory;

    /**
     * Views of the memory, made when they are first asked for: a state that lies still needs none.
     */
    private final Tensor[] keys;

    private final Tensor[] values;

    private CrossContext(Tensor memory) {
        this.memory = memory;
        int layers = Math.toIntExact(memory.size(0));
        this.keys = new Tensor[layers];
        this.values = new Tensor[layers];
    }

    /**
     * In memory that this takes over, {@code [layers, 2, textLen, heads, headDim]}: one piece, so
     * that it is copied as one.
     */
    static CrossContext in(Tensor memory) {
        return new CrossContext(memory);
    }

    /** All keys and values, {@code [layers, 2, textLen, heads, headDim]}. */
    public Tensor memory() {
        return memory;
    }

    public int layers() {
        return keys.length;
    }

    /** Keys of a layer, {@code [1, heads, textLen, headDim]}. */
    public Tensor keys(int layer) {
        return view(keys, layer, 0);
    }

    /** Values of a layer, {@code [1, heads, textLen, headDim]}. */
    public Tensor values(int layer) {
        return view(values, layer, 1);
    }

    private Tensor view(Tensor[] views, int layer, int part) {
        if (views[layer] == null) {
            views[layer] =
                    Tensors.owned(
                            () ->
                                    memory.select(0, layer)
                                            .select(0, part)
                                            .transpose(0, 1)
                                            .unsqueeze(0));
        }
        return views[layer];
    }

    /** Bytes of all keys and values. */
    public long bytes() {
        return Tensors.bytes(memory);
    }

    /** A part of a state in host memory of this shape: a view. */
    public CrossContext bound(HostTier.Parked from) {
        return in(from.next(memory.scalar_type().intern(), Tensors.shape(memory)));
    }

    /** The same in new memory of the device, not yet filled. */
    public CrossContext onDevice(Device device) {
        return in(Tensors.owned(() -> device.empty(Tensors.shape(memory))));
    }

    @Override
    public void close() {
        for (int i = 0; i < keys.length; i++) {
            if (keys[i] != null) {
                keys[i].close();
            }
            if (values[i] != null) {
                values[i].close();
            }
        }
        memory.close();
    }
}
