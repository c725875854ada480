package io.reelfleet.engine.model;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;

/**
 * A session's streaming cache of the VAE decoder: the last input frames of every causal
 * convolution, as views of one piece of memory, so that it is copied as one.
 */
public final class StreamingCache implements AutoCloseable {
    private final Device device;
    private final long[][] shapes;
    private final long[] starts;

    /**
     * Views of the memory, made when they are first asked for: a state that lies still needs none.
     */
    private final Tensor[] past;

    private final long numbers;
    private Tensor memory;
    private boolean started;

    /** Counts what was done to the bytes, for readers on other threads. */
    private final AtomicLong changes = new AtomicLong();

    /** Zeros on the device. */
    StreamingCache(Device device, long[][] shapes) {
        this.device = device;
        this.shapes = shapes;
        this.past = new Tensor[shapes.length];
        this.starts = new long[shapes.length];
        long sum = 0;
        for (int i = 0; i < shapes.length; i++) {
            starts[i] = sum;
            sum += count(shapes[i]);
        }
        this.numbers = sum;
        in(Tensors.owned(() -> device.zeros(numbers)));
    }

    private static long count(long[] shape) {
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        return count;
    }

    private void in(Tensor other) {
        changing();
        memory = other;
    }

    Tensor past(int index) {
        if (past[index] == null) {
            long[] shape = shapes[index];
            past[index] =
                    Tensors.owned(() -> memory.narrow(0, starts[index], count(shape)).view(shape));
        }
        return past[index];
    }

    /**
     * False until the first frame was decoded, which yields one video frame where others yield
     * four.
     */
    boolean started() {
        return started;
    }

    void start() {
        started = true;
    }

    /**
     * Back to the beginning of a video; {@code started} when a part of it that is not known went
     * before.
     */
    public void reset(boolean started) {
        changing();
        memory.zero_();
        this.started = started;
    }

    /** The bytes are about to change. */
    void changing() {
        changes.incrementAndGet();
    }

    /** Says later, on any thread, whether the bytes are still those of now. */
    public BooleanSupplier unchanged() {
        long now = changes.get();
        return () -> changes.get() == now;
    }

    /** The remembered frames of every convolution, in the order of the stages. */
    public List<Tensor> parts() {
        return IntStream.range(0, past.length).mapToObj(this::past).toList();
    }

    /** Whether a frame was decoded before. */
    public boolean begun() {
        return started;
    }

    /** Says that frames were decoded before, elsewhere. */
    public void begun(boolean value) {
        started = value;
    }

    /** Bytes of the cache. */
    public long bytes() {
        return numbers * device.precision().bytes();
    }

    /** All of it, wherever it is now. */
    public Tensor memory() {
        return memory;
    }

    /**
     * Lies in its part of a state in host memory from now on; the memory before is the caller's.
     */
    public Tensor bind(HostTier.Parked from) {
        Tensor before = memory;
        unbind();
        in(from.next(device.precision().type(), numbers));
        return before;
    }

    /**
     * Lies in memory of the device from now on, not yet filled; the memory before is the caller's.
     *
     * @param spare memory of another cache, or null
     */
    public Tensor onDevice(Tensor spare) {
        Tensor before = memory;
        unbind();
        in(spare == null ? Tensors.owned(() -> device.empty(numbers)) : spare);
        return before;
    }

    /** Lets go of the views; {@link #memory} stays. */
    private void unbind() {
        for (int i = 0; i < past.length; i++) {
            if (past[i] != null) {
                past[i].close();
                past[i] = null;
            }
        }
    }

    @Override
    public void close() {
        changing();
        unbind();
        if (memory != null) {
            memory.close();
            memory = null;
        }
    }
}
