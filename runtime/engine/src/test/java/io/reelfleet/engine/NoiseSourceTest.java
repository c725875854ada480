package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class NoiseSourceTest {
    /** Known answers of Philox4x32-10 from the authors' Random123 test vectors. */
    @Test
    void isPhilox() {
        int[] out = new int[4];
        NoiseSource.philox(0, 0, 0, 0, out);
        assertThat(out).containsExactly(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
        NoiseSource.philox(-1, -1, -1, -1, out);
        assertThat(out).containsExactly(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
        NoiseSource.philox(0x299f31d0a4093822L, 0x243f6a88, 0x85a308d3, 0x0370734413198a2eL, out);
        assertThat(out).containsExactly(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
    }

    @Test
    void isStandardNormalAndIndependentOfLength() {
        float[] many = new float[100_001];
        NoiseSource.fill(42, 3, 1, many);
        double sum = 0;
        double squares = 0;
        double fourth = 0;
        for (float value : many) {
            sum += value;
            squares += (double) value * value;
            fourth += Math.pow(value, 4);
        }
        assertThat(sum / many.length).isCloseTo(0, within(0.01));
        assertThat(squares / many.length).isCloseTo(1, within(0.015));
        assertThat(fourth / many.length).isCloseTo(3, within(0.1));
        float[] few = new float[7];
        NoiseSource.fill(42, 3, 1, few);
        assertThat(few).containsExactly(java.util.Arrays.copyOf(many, 7));
    }

    @Test
    void everyKeyHasItsOwnNoise() {
        float[] a = new float[8];
        float[] b = new float[8];
        NoiseSource.fill(1, 0, 0, a);
        for (long[] key : new long[][] {{2, 0, 0}, {1, 1, 0}, {1, 0, 1}, {1L << 32, 0, 0}}) {
            NoiseSource.fill(key[0], key[1], (int) key[2], b);
            assertThat(b).isNotEqualTo(a);
        }
    }
}
