package io.reelfleet.engine.cache;

import io.reelfleet.engine.tensor.Tensors;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;

/** Frames that left the window, in host memory, found again by likeness. */
final class FrameBank implements AutoCloseable {
    /**
     * A frame: its likeness (also as a tensor, for whoever carries it elsewhere), and the pages of
     * all its layers in host memory {@code [layers, tokens x dim]}.
     */
    record Kept(long frame, float[] likeness, Tensor like, Tensor keys, Tensor values) {
        Kept(long frame, float[] likeness, Tensor keys, Tensor values) {
            this(
                    frame,
                    likeness,
                    Tensors.owned(() -> Tensors.of(likeness, likeness.length)),
                    keys,
                    values);
        }

        private void close() {
            like.close();
            keys.close();
            values.close();
        }
    }

    private final int capacity;
    private final TreeMap<Long, Kept> frames = new TreeMap<>();

    FrameBank(int capacity) {
        this.capacity = capacity;
    }

    boolean has(long frame) {
        return frames.containsKey(frame);
    }

    /** Takes a frame over; where the bank is full the oldest goes. */
    void add(Kept kept) {
        Kept old = frames.put(kept.frame(), kept);
        if (old != null) {
            old.close();
        }
        if (frames.size() > capacity) {
            frames.pollFirstEntry().getValue().close();
        }
    }

    /** The frames most like {@code likeness}, in order of time. */
    List<Kept> nearest(float[] likeness, int count) {
        return frames.values().stream()
                .sorted(
                        Comparator.comparingDouble(
                                        (Kept kept) -> -cosine(kept.likeness(), likeness))
                                .thenComparing(Kept::frame, Comparator.reverseOrder()))
                .limit(count)
                .sorted(Comparator.comparingLong(Kept::frame))
                .toList();
    }

    private static double cosine(float[] a, float[] b) {
        double dot = 0;
        double aa = 0;
        double bb = 0;
        for (int i = 0; i < a.length; i++) {
            dot += (double) a[i] * b[i];
            aa += (double) a[i] * a[i];
            bb += (double) b[i] * b[i];
        }
        return aa == 0 || bb == 0 ? 0 : dot / Math.sqrt(aa * bb);
    }

    int capacity() {
        return capacity;
    }

    long[] frames() {
        return frames.keySet().stream().mapToLong(Long::longValue).toArray();
    }

    /** Keys, values or likeness; null where the frame is not kept. */
    Tensor part(long frame, int part) {
        Kept kept = frames.get(frame);
        if (kept == null) {
            return null;
        }
        return switch (part) {
            case 0 -> kept.keys();
            case 1 -> kept.values();
            default -> kept.like();
        };
    }

    int size() {
        return frames.size();
    }

    void clear() {
        frames.values().forEach(Kept::close);
        frames.clear();
    }

    @Override
    public void close() {
        clear();
    }
}
