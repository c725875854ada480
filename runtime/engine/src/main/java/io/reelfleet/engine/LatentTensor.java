package io.reelfleet.engine;

/**
 * Clean latents of a chunk as plain bytes, fit for a file or a message.
 *
 * @param shape {@code [frames, channels, height, width]}
 * @param float32LittleEndian the values in row-major order, four bytes each
 */
public record LatentTensor(int[] shape, byte[] float32LittleEndian) {
    public LatentTensor {
        long bytes = 4;
        for (int size : shape) {
            bytes *= size;
        }
        if (shape.length != 4 || bytes != float32LittleEndian.length) {
            throw new IllegalArgumentException(
                    "latents of shape "
                            + java.util.Arrays.toString(shape)
                            + " do not take "
                            + float32LittleEndian.length
                            + " bytes");
        }
    }

    /** Number of latent frames. */
    public int frames() {
        return shape[0];
    }
}
