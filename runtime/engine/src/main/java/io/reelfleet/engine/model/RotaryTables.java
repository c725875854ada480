package io.reelfleet.engine.model;

import io.reelfleet.engine.tensor.Device;
import io.reelfleet.engine.tensor.Tensors;
import java.util.Arrays;
import java.util.LinkedHashMap;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Rotations of 3-D RoPE for whole frames at given positions, kept for the positions used last.
 *
 * <p>Of a head's channel pairs, the first {@code c - 2 (c / 3)} turn with the frame, {@code c / 3}
 * with the row and {@code c / 3} with the column; angles are computed in double precision.
 */
final class RotaryTables implements AutoCloseable {
    private static final int KEPT = 32;
    private static final double BASE = 10_000;

    private final Device device;
    private final int height;
    private final int width;
    private final int pairs;
    private final int sidePairs;
    private final float[] spatial;
    private final LinkedHashMap<Key, Tensor> tables = new LinkedHashMap<>(16, 0.75f, true);

    private record Key(long[] positions) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Key key && Arrays.equals(positions, key.positions);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(positions);
        }
    }

    /**
     * @param device where the tables lie, in float32
     * @param headDim channels of a head
     * @param height rows of tokens in a frame
     * @param width columns of tokens in a frame
     */
    RotaryTables(Device device, int headDim, int height, int width) {
        this.device = device;
        this.height = height;
        this.width = width;
        this.pairs = headDim / 2;
        this.sidePairs = pairs / 3;
        this.spatial = new float[height * width * 2 * sidePairs * 2];
        int at = 0;
        for (int row = 0; row < height; row++) {
            for (int column = 0; column < width; column++) {
                at = angles(spatial, at, row, sidePairs);
                at = angles(spatial, at, column, sidePairs);
            }
        }
    }

    private static int angles(float[] out, int at, long position, int count) {
        for (int i = 0; i < count; i++) {
            double angle = position / Math.pow(BASE, (double) i / count);
            out[at++] = (float) Math.cos(angle);
            out[at++] = (float) Math.sin(angle);
        }
        return at;
    }

    /** Complex rotations {@code [frames x tokens, 1, headDim / 2]}; owned here. */
    Tensor at(long[] positions) {
        Key key = new Key(positions);
        Tensor table = tables.get(key);
        if (table == null) {
            table = build(positions);
            tables.put(key, table);
            if (tables.size() > KEPT) {
                tables.pollFirstEntry().getValue().close();
            }
        }
        return table;
    }

    private Tensor build(long[] positions) {
        int tokens = height * width;
        int framePairs = pairs - 2 * sidePairs;
        float[] values = new float[positions.length * tokens * pairs * 2];
        float[] temporal = new float[framePairs * 2];
        int at = 0;
        for (long position : positions) {
            angles(temporal, 0, position, framePairs);
            for (int token = 0; token < tokens; token++) {
                System.arraycopy(temporal, 0, values, at, temporal.length);
                at += temporal.length;
                System.arraycopy(spatial, token * 4 * sidePairs, values, at, 4 * sidePairs);
                at += 4 * sidePairs;
            }
        }
        return Tensors.owned(
                () ->
                        torch.view_as_complex(
                                device.of(values, (long) positions.length * tokens, 1, pairs, 2)));
    }

    @Override
    public void close() {
        tables.values().forEach(Tensor::close);
        tables.clear();
    }
}
