package io.reelfleet.engine;

/**
 * Standard normal numbers keyed by (seed, chunk, step): Philox4x32-10 (Salmon et al., SC 2011) and
 * Box-Muller.
 *
 * <p>A number depends on its key and its index only, never on device, batch or what was drawn
 * before; so noise is no state. {@link StrictMath} makes the bits the same on every machine.
 */
final class NoiseSource {
    private static final int MULTIPLIER_0 = 0xD2511F53;
    private static final int MULTIPLIER_1 = 0xCD9E8D57;
    private static final int WEYL_0 = 0x9E3779B9;
    private static final int WEYL_1 = 0xBB67AE85;
    private static final int ROUNDS = 10;
    private static final double TWO_TO_MINUS_32 = 0x1p-32;

    private NoiseSource() {}

    /**
     * Fills {@code out} with the noise of a denoising step.
     *
     * @param seed of the session
     * @param chunk number of the chunk
     * @param step 0: what the chunk starts from; i: what is added after denoising step i - 1
     */
    static void fill(long seed, long chunk, int step, float[] out) {
        int[] block = new int[4];
        for (int i = 0; i < out.length; i += 4) {
            philox(seed, i / 4, step, chunk, block);
            pair(block[0], block[1], out, i);
            pair(block[2], block[3], out, i + 2);
        }
    }

    private static void pair(int a, int b, float[] out, int at) {
        // Uniform in (0, 1): never 0, so the logarithm is finite.
        double u = (Integer.toUnsignedLong(a) + 0.5) * TWO_TO_MINUS_32;
        double angle = 2 * Math.PI * Integer.toUnsignedLong(b) * TWO_TO_MINUS_32;
        double radius = Math.sqrt(-2 * StrictMath.log(u));
        if (at < out.length) {
            out[at] = (float) (radius * StrictMath.cos(angle));
        }
        if (at + 1 < out.length) {
            out[at + 1] = (float) (radius * StrictMath.sin(angle));
        }
    }

    /** One block of 128 bits; the counter is (index, step, chunk), the key is the seed. */
    static void philox(long seed, int index, int step, long chunk, int[] out) {
        int c0 = index;
        int c1 = step;
        int c2 = (int) chunk;
        int c3 = (int) (chunk >>> 32);
        int k0 = (int) seed;
        int k1 = (int) (seed >>> 32);
        for (int round = 0; round < ROUNDS; round++) {
            long p0 = Integer.toUnsignedLong(MULTIPLIER_0) * Integer.toUnsignedLong(c0);
            long p1 = Integer.toUnsignedLong(MULTIPLIER_1) * Integer.toUnsignedLong(c2);
            int n0 = (int) (p1 >>> 32) ^ c1 ^ k0;
            int n2 = (int) (p0 >>> 32) ^ c3 ^ k1;
            c0 = n0;
            c1 = (int) p1;
            c2 = n2;
            c3 = (int) p0;
            k0 += WEYL_0;
            k1 += WEYL_1;
        }
        out[0] = c0;
        out[1] = c1;
        out[2] = c2;
        out[3] = c3;
    }
}
