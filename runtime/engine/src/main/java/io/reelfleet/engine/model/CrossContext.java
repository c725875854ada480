package io.reelfleet.engine.model;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/**
 * Keys and values of a session's prompt for the cross-attention of every layer.
 *
 * @param memory what they are views of, {@code [layers, 2, textLen, heads, headDim]}
 * @param keys per layer, {@code [1, heads, textLen, headDim]}
 * @param values per layer, {@code [1, heads, textLen, headDim]}
 */
public record CrossContext(Tensor memory, Tensor[] keys, Tensor[] values) implements AutoCloseable {
    /**
     * In memory that this takes over, {@code [layers, 2, textLen, heads, headDim]}: one piece, so
     * that it is copied as one.
     */
    static CrossContext in(Tensor memory) {
        int layers = Math.toIntExact(memory.size(0));
        Tensor[] keys = new Tensor[layers];
        Tensor[] values = new Tensor[layers];
        for (int layer = 0; layer < layers; layer++) {
            keys[layer] = view(memory, layer, 0);
            values[layer] = view(memory, layer, 1);
        }
        return new CrossContext(memory, keys, values);
    }

    private static Tensor view(Tensor memory, int layer, int part) {
        return Tensors.owned(
                () -> memory.select(0, layer).select(0, part).transpose(0, 1).unsqueeze(0));
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
            keys[i].close();
            values[i].close();
        }
        memory.close();
    }
}
