package io.reelfleet.engine.weights;

import java.util.List;

/**
 * One tensor in a safetensors file.
 *
 * @param name its name
 * @param type type of its elements
 * @param shape its sizes
 * @param offset first byte, from the start of the file
 * @param bytes its length
 */
public record TensorEntry(String name, DType type, List<Long> shape, long offset, long bytes) {
    public TensorEntry {
        shape = List.copyOf(shape);
    }

    /** Number of elements. */
    public long elements() {
        return bytes / type.bytes();
    }
}
