package io.reelfleet.engine.model;

import io.reelfleet.engine.tensor.Tensors;
import org.bytedeco.pytorch.Tensor;

/**
 * Keys and values of a session's prompt for the cross-attention of every layer.
 *
 * @param keys per layer, {@code [1, heads, textLen, headDim]}
 * @param values per layer, {@code [1, heads, textLen, headDim]}
 */
public record CrossContext(Tensor[] keys, Tensor[] values) implements AutoCloseable {
    /** Bytes of all keys and values. */
    public long bytes() {
        long bytes = 0;
        for (int i = 0; i < keys.length; i++) {
            bytes += Tensors.bytes(keys[i]) + Tensors.bytes(values[i]);
        }
        return bytes;
    }

    /** The same in new memory, as between device and host; the old is freed. */
    public CrossContext moved() {
        Tensor[] newKeys = new Tensor[keys.length];
        Tensor[] newValues = new Tensor[values.length];
        for (int i = 0; i < keys.length; i++) {
            newKeys[i] = Tensors.owned(keys[i]::clone);
            newValues[i] = Tensors.owned(values[i]::clone);
        }
        close();
        return new CrossContext(newKeys, newValues);
    }

    @Override
    public void close() {
        for (int i = 0; i < keys.length; i++) {
            keys[i].close();
            values[i].close();
        }
    }
}
