package io.reelfleet.engine.model;

import io.reelfleet.engine.cache.HostTier;
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

    /** The same in host memory; this one is freed. */
    public CrossContext suspended(HostTier.Parked to) {
        CrossContext host =
                bound(to, keys.length, keys[0].size(2), keys[0].size(1), keys[0].size(3));
        for (int i = 0; i < keys.length; i++) {
            Tensors.copy(keys[i], host.keys[i]);
            Tensors.copy(values[i], host.values[i]);
        }
        close();
        return host;
    }

    /** Its part of a state in host memory: views. */
    public static CrossContext bound(
            HostTier.Parked from, int layers, long tokens, long heads, long headDim) {
        Tensor[] keys = new Tensor[layers];
        Tensor[] values = new Tensor[layers];
        for (int i = 0; i < layers; i++) {
            keys[i] = view(from, tokens, heads, headDim);
            values[i] = view(from, tokens, heads, headDim);
        }
        return new CrossContext(keys, values);
    }

    private static Tensor view(HostTier.Parked from, long tokens, long heads, long headDim) {
        try (Tensor flat = from.next(1, tokens, heads, headDim)) {
            return Tensors.owned(() -> flat.transpose(1, 2));
        }
    }

    /** The same in memory of its own, laid out as before; this one is freed. */
    public CrossContext resumed() {
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
