package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

/** C from the chunks of workers that always serve as many sessions as they may. */
class CapacityLearnerTest {
    private static final double TARGET = 750;

    private final Random random = new Random(5);
    private long now;
    private int changes;

    /** Workers full all the time, so many minutes long; latency is L(n) give or take a tenth. */
    private void live(CapacityLearner learner, int minutes, IntToDoubleFunction latency) {
        for (int s = 0; s < minutes * 60; s++) {
            now += 1_000;
            int n = learner.capacity();
            for (int i = 0; i < 2 * n; i++) {
                double noise = Math.clamp(1 + 0.1 * random.nextGaussian(), 0.5, 1.5);
                learner.measured(n, latency.applyAsDouble(n) * noise, TARGET);
            }
            changes += learner.review(now, TARGET) ? 1 : 0;
        }
    }

    @Test
    void risesOneByOneToWhatTheGpuCarries() {
        CapacityLearner learner = new CapacityLearner(4, false);
        live(learner, 3, n -> 100 + 60 * n);
        assertThat(learner.capacity()).as("a step needs time to be seen").isBetween(5, 7);
        live(learner, 50, n -> 100 + 60 * n);
        // 580 at 8; 640 at 9, where more than one in twenty is late by chance.
        assertThat(learner.capacity()).isEqualTo(8);
        assertThat(changes).as("four up, and 9 tried once").isBetween(4, 6);
        assertThat(learner.profile(TARGET).at(8)).isBetween(550.0, 610.0);
    }

    @Test
    void fallsWhenTheGpuCarriesLessThanWasAssumed() {
        CapacityLearner learner = new CapacityLearner(4, false);
        live(learner, 10, n -> 300 * n);
        assertThat(learner.capacity()).isEqualTo(2);
        assertThat(changes).isEqualTo(2);
    }

    @Test
    void neverGoesUpAndDown() {
        // Right at the target, where chance decides about each mean.
        for (double step : new double[] {140, 150, 155, 170, 187.5, 190, 210, 249}) {
            CapacityLearner learner = new CapacityLearner(4, false);
            changes = 0;
            live(learner, 50, n -> step * n);
            int settled = changes;
            live(learner, 8 * 60, n -> step * n);
            // In eight hours it tries again after one, three and seven: once up and once down.
            assertThat(changes - settled).as("step %s", step).isLessThanOrEqualTo(6);
            assertThat(learner.capacity() * step).as("step %s", step).isLessThan(1.1 * TARGET);
        }
    }

    @Test
    void oneChunkInTenThatIsLateIsTooManyWhateverTheMeanSays() {
        CapacityLearner learner = new CapacityLearner(2, false);
        for (int i = 0; i < 1_000; i++) {
            learner.measured(2, i % 10 == 0 ? 1_500 : 300, TARGET);
        }
        assertThat(learner.review(1_000, TARGET)).isTrue();
        assertThat(learner.capacity()).isEqualTo(1);
    }

    @Test
    void aSlowHourIsForgottenInTheEnd() {
        CapacityLearner learner = new CapacityLearner(4, false);
        live(learner, 20, n -> 300 * n);
        assertThat(learner.capacity()).isEqualTo(2);
        live(learner, 30, n -> 150 * n);
        assertThat(learner.capacity()).as("it remembers the wall").isEqualTo(2);
        live(learner, 4 * 60, n -> 150 * n);
        assertThat(learner.capacity()).isEqualTo(4);
    }

    @Test
    void aFixedCapacityStaysAndTheLatencyIsLearnedAllTheSame() {
        CapacityLearner learner = new CapacityLearner(4, true);
        live(learner, 30, n -> 300 * n);
        assertThat(learner.capacity()).isEqualTo(4);
        assertThat(learner.profile(TARGET).at(4)).isBetween(1_100.0, 1_300.0);
    }

    @Test
    void aNewLeaderTakesOverWhatWorkersCarry() {
        CapacityLearner learner = new CapacityLearner(4, false);
        learner.carries(6);
        assertThat(learner.capacity()).isEqualTo(6);
        live(learner, 5, n -> 200 * n);
        assertThat(learner.capacity()).isLessThanOrEqualTo(3);
        int measured = learner.capacity();
        learner.carries(6);
        assertThat(learner.capacity()).as("measured by now").isEqualTo(measured);
    }
}
