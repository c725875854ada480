package io.reelfleet.engine.tensor;

import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LayoutOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.LoggerFactory;

/**
 * How tensors are made, owned and copied here.
 *
 * <p>Ownership: a tensor made inside a {@link PointerScope} dies with it. {@link #scoped} hands a
 * result to the enclosing scope, {@link #keep} to an owner that calls {@code close()} itself.
 */
public final class Tensors {
    static {
        // JavaCPP's own limits call System.gc() in the middle of a step; every tensor here is freed
        // by its scope anyway.
        System.setProperty("org.bytedeco.javacpp.maxPhysicalBytes", "0");
        System.setProperty("org.bytedeco.javacpp.maxBytes", "0");
        Loader.load(torch.class);
        if (torch.get_num_interop_threads() != 1) {
            try {
                torch.set_num_interop_threads(1);
            } catch (RuntimeException e) {
                // Another user of LibTorch in this process was first: it costs idle threads,
                // nothing else.
                LoggerFactory.getLogger(Tensors.class)
                        .info("LibTorch's inter-operation threads were set already");
            }
        }
    }

    /** No weight, bias or mask. */
    public static final TensorOptional NONE = kept(new TensorOptional());

    /** No scale of our own: attention divides by the square root of the head size. */
    public static final DoubleOptional DEFAULT_SCALE = kept(new DoubleOptional());

    private static final TensorOptions FLOAT = kept(options(torch.ScalarType.Float));
    private static final TensorOptions LONG = kept(options(torch.ScalarType.Long));
    private static final TensorOptions BYTE = kept(options(torch.ScalarType.Byte));
    private static final MemoryFormatOptional ANY_FORMAT = kept(new MemoryFormatOptional());

    private Tensors() {}

    /** Loads LibTorch, if that has not happened. */
    static void load() {}

    /** Loads LibTorch and sets the number of its compute threads, for the whole process. */
    public static void useThreads(int threads) {
        torch.set_num_threads(threads);
    }

    private static TensorOptions options(torch.ScalarType type) {
        return new TensorOptions(type);
    }

    private static <P extends org.bytedeco.javacpp.Pointer> P kept(P pointer) {
        pointer.retainReference();
        return pointer;
    }

    /** Uninitialised float32 tensor. */
    public static Tensor empty(long... shape) {
        return torch.empty(shape, FLOAT, ANY_FORMAT);
    }

    /** Float32 zeros. */
    public static Tensor zeros(long... shape) {
        return torch.zeros(shape, FLOAT);
    }

    /** Uninitialised int64 tensor. */
    public static Tensor emptyLong(long... shape) {
        return torch.empty(shape, LONG, ANY_FORMAT);
    }

    /** Uninitialised uint8 tensor. */
    public static Tensor emptyByte(long... shape) {
        return torch.empty(shape, BYTE, ANY_FORMAT);
    }

    /** Uninitialised tensor of any type. */
    public static Tensor empty(torch.ScalarType type, long... shape) {
        try (ScalarTypeOptional scalar = new ScalarTypeOptional(type);
                LayoutOptional layout = new LayoutOptional();
                DeviceOptional device = new DeviceOptional();
                BoolOptional pinned = new BoolOptional()) {
            return torch.empty(shape, scalar, layout, device, pinned, ANY_FORMAT);
        }
    }

    /** Float32 tensor with these values. */
    public static Tensor of(float[] values, long... shape) {
        Tensor tensor = empty(shape);
        MemorySegment.copy(MemorySegment.ofArray(values), 0, memory(tensor), 0, 4L * values.length);
        return tensor;
    }

    /** Int64 tensor with these values. */
    public static Tensor of(long[] values, long... shape) {
        Tensor tensor = emptyLong(shape);
        MemorySegment.copy(MemorySegment.ofArray(values), 0, memory(tensor), 0, 8L * values.length);
        return tensor;
    }

    /** Copies the numbers of a tensor into another of the same shape and layout, byte by byte. */
    public static void copy(Tensor from, Tensor to) {
        MemorySegment.copy(memory(from), 0, memory(to), 0, bytes(from));
    }

    /** A contiguous CPU tensor's own memory; valid while the tensor lives. */
    @SuppressWarnings("restricted")
    public static MemorySegment memory(Tensor tensor) {
        return MemorySegment.ofAddress(tensor.data_ptr().address()).reinterpret(bytes(tensor));
    }

    /** Bytes that a tensor's elements take. */
    public static long bytes(Tensor tensor) {
        return tensor.numel() * tensor.element_size();
    }

    /** A contiguous float32 tensor's values. */
    public static float[] floats(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.numel())];
        MemorySegment.copy(memory(tensor), 0, MemorySegment.ofArray(values), 0, 4L * values.length);
        return values;
    }

    /** A contiguous tensor's bytes, as they lie in memory. */
    public static byte[] toBytes(Tensor tensor) {
        byte[] values = new byte[Math.toIntExact(bytes(tensor))];
        MemorySegment.copy(memory(tensor), 0, MemorySegment.ofArray(values), 0, values.length);
        return values;
    }

    /** Shape of a tensor. */
    public static long[] shape(Tensor tensor) {
        long[] shape = new long[Math.toIntExact(tensor.dim())];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = tensor.size(i);
        }
        return shape;
    }

    /**
     * Runs {@code body} in a scope of its own and hands its result to the enclosing scope, if there
     * is one.
     */
    public static Tensor scoped(Supplier<Tensor> body) {
        Tensor result = owned(body);
        adopt(result);
        return result;
    }

    /** Runs {@code body} in a scope of its own; the caller owns the result and closes it. */
    public static Tensor owned(Supplier<Tensor> body) {
        try (PointerScope _ = new PointerScope()) {
            Tensor result = body.get();
            result.retainReference();
            return result;
        }
    }

    /** Lets {@code tensor} outlive its scope; the caller owns it and closes it. */
    public static Tensor keep(Tensor tensor) {
        return tensor.retainReference();
    }

    /** Gives an owned tensor to the innermost scope. */
    public static void adopt(Tensor tensor) {
        PointerScope scope = PointerScope.getInnerScope();
        if (scope != null) {
            scope.attach(tensor);
            tensor.releaseReference();
        }
    }
}
