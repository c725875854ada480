package io.reelfleet.engine.cache;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.tensor.Tensors;
import org.junit.jupiter.api.Test;

class FrameBankTest {
    private static FrameBank.Kept frame(long number, float... likeness) {
        return new FrameBank.Kept(
                number,
                likeness,
                Tensors.owned(() -> Tensors.zeros(1, 4)),
                Tensors.owned(() -> Tensors.zeros(1, 4)));
    }

    @Test
    void findsTheFramesMostAlikeInOrderOfTime() {
        try (FrameBank bank = new FrameBank(10)) {
            bank.add(frame(3, 0, 1));
            bank.add(frame(4, 1, 0.1f));
            bank.add(frame(5, -1, 0));
            bank.add(frame(6, 5, 0));
            assertThat(bank.nearest(new float[] {2, 0}, 2))
                    .extracting(FrameBank.Kept::frame)
                    .containsExactly(4L, 6L);
            assertThat(bank.nearest(new float[] {0, 9}, 1))
                    .extracting(FrameBank.Kept::frame)
                    .containsExactly(3L);
            assertThat(bank.nearest(new float[] {0, 9}, 9)).hasSize(4);
        }
    }

    @Test
    void theOldestGoesWhereItIsFull() {
        try (FrameBank bank = new FrameBank(2)) {
            bank.add(frame(3, 1));
            bank.add(frame(4, 1));
            bank.add(frame(5, 1));
            assertThat(bank.size()).isEqualTo(2);
            assertThat(bank.has(3)).isFalse();
            assertThat(bank.has(5)).isTrue();
        }
    }
}
