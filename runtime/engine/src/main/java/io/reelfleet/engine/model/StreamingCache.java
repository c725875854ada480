package io.reelfleet.engine.model;

import io.reelfleet.engine.cache.HostTier;
import io.reelfleet.engine.tensor.Tensors;
import java.util.Deque;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * A session's streaming cache of the VAE decoder: the last input frames of every causal
 * convolution.
 */
public final class StreamingCache implements AutoCloseable {
    private final Tensor[] past;
    private final long[][] shapes;
    private final long bytes;
    private boolean started;

    StreamingCache(Tensor[] past) {
        this.past = past;
        this.shapes = new long[past.length][];
        long sum = 0;
        for (int i = 0; i < past.length; i++) {
            shapes[i] = Tensors.shape(past[i]);
            sum += Tensors.bytes(past[i]);
        }
        this.bytes = sum;
    }

    Tensor past(int index) {
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
        for (Tensor tensor : past) {
            tensor.zero_();
        }
        this.started = started;
    }

    /** The remembered frames of every convolution, in the order of the stages. */
    public List<Tensor> parts() {
        return List.of(past);
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
        return bytes;
    }

    /** Copies the cache to host memory and gives the device's away. */
    public void suspend(HostTier.Parked to, Deque<Tensor[]> spare) {
        Tensor[] device = past.clone();
        bind(to);
        for (int i = 0; i < past.length; i++) {
            Tensors.copy(device[i], past[i]);
        }
        giveDevice(device, spare);
    }

    /** Takes its part of a state in host memory: views. */
    public void bind(HostTier.Parked from) {
        for (int i = 0; i < past.length; i++) {
            past[i] = from.next(shapes[i]);
        }
    }

    /** Lets go of the views of host memory. */
    public void unbind() {
        for (int i = 0; i < past.length; i++) {
            past[i].close();
        }
    }

    /** Copies the cache back into memory of the device; the views of host memory end. */
    public void resume(Deque<Tensor[]> spare) {
        Tensor[] device = spare.isEmpty() ? null : spare.removeFirst();
        for (int i = 0; i < past.length; i++) {
            Tensor host = past[i];
            past[i] =
                    device == null
                            ? Tensors.owned(() -> Tensors.empty(Tensors.shape(host)))
                            : device[i];
            Tensors.copy(host, past[i]);
            host.close();
        }
    }

    /**
     * One set of memory is kept for the next session that comes back: fresh pages cost more than
     * the copy.
     */
    private static void giveDevice(Tensor[] device, Deque<Tensor[]> spare) {
        if (spare.isEmpty()) {
            spare.add(device);
        } else {
            for (Tensor tensor : device) {
                tensor.close();
            }
        }
    }

    @Override
    public void close() {
        for (Tensor tensor : past) {
            tensor.close();
        }
    }
}
