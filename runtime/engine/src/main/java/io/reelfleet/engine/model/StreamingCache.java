package io.reelfleet.engine.model;

import io.reelfleet.engine.tensor.Tensors;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/**
 * A session's streaming cache of the VAE decoder: the last input frames of every causal
 * convolution.
 */
public final class StreamingCache implements AutoCloseable {
    private final Tensor[] past;
    private boolean started;

    StreamingCache(Tensor[] past) {
        this.past = past;
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
        long bytes = 0;
        for (Tensor tensor : past) {
            bytes += Tensors.bytes(tensor);
        }
        return bytes;
    }

    /** Moves the cache into new memory, as between device and host, and frees the old. */
    public void move() {
        for (int i = 0; i < past.length; i++) {
            Tensor old = past[i];
            past[i] = Tensors.owned(old::clone);
            old.close();
        }
    }

    @Override
    public void close() {
        for (Tensor tensor : past) {
            tensor.close();
        }
    }
}
