package io.reelfleet.engine.tensor;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Tensor;

/** Owns native objects that live as long as a model: closing it frees them all. */
public final class TensorOwner implements AutoCloseable {
    private final List<Pointer> owned = new ArrayList<>();
    private long bytes;
    private long numbers;

    /** Takes {@code pointer} out of the hands of the scope it was made in. */
    public <P extends Pointer> P own(P pointer) {
        pointer.retainReference();
        owned.add(pointer);
        return pointer;
    }

    /** Takes a tensor that has memory of its own and counts its bytes. */
    public Tensor ownCounted(Tensor tensor) {
        bytes += Tensors.bytes(tensor);
        numbers += tensor.numel();
        return own(tensor);
    }

    /** Bytes of the counted tensors. */
    public long bytes() {
        return bytes;
    }

    /** Numbers in the counted tensors. */
    public long numbers() {
        return numbers;
    }

    @Override
    public void close() {
        owned.forEach(Pointer::close);
        owned.clear();
        bytes = 0;
        numbers = 0;
    }
}
