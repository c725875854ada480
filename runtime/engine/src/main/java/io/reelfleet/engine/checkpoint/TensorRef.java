package io.reelfleet.engine.checkpoint;

import io.reelfleet.engine.weights.DType;
import java.util.List;

/**
 * A tensor of a checkpoint: a view of one of its storages.
 *
 * @param storage name of the storage's file in the archive's {@code data} folder
 * @param type element type
 * @param storageElements elements of the storage
 * @param offset first element in the storage
 * @param shape sizes
 * @param strides elements between neighbours, per dimension
 */
record TensorRef(
        String storage,
        DType type,
        long storageElements,
        long offset,
        List<Long> shape,
        List<Long> strides) {
    TensorRef {
        shape = List.copyOf(shape);
        strides = List.copyOf(strides);
    }

    long elements() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** True where the elements lie one after the other in row-major order. */
    boolean contiguous() {
        long expected = 1;
        for (int i = shape.size() - 1; i >= 0; i--) {
            if (shape.get(i) != 1 && strides.get(i) != expected) {
                return false;
            }
            expected *= shape.get(i);
        }
        return true;
    }
}
