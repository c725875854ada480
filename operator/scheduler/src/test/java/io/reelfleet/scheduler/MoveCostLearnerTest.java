package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.scheduler.PoolSettings.StateCosts;
import org.junit.jupiter.api.Test;

class MoveCostLearnerTest {
    private final MoveCostLearner learner = new MoveCostLearner();

    @Test
    void untilThreeMovesWereSeenWhatIsAssumedHolds() {
        learner.measured(3_000_000, 0.1);
        learner.measured(3_000_000, 0.1);
        assertThat(learner.costs(StateCosts.PUBLISHED)).isEqualTo(StateCosts.PUBLISHED);
    }

    @Test
    void thenTheMedianMoveOfThisStateOverThisLink() {
        for (double took : new double[] {0.3, 0.1, 9, 0.1, 0.12}) {
            learner.measured(3_000_000, took);
        }
        StateCosts costs = learner.costs(StateCosts.PUBLISHED);
        assertThat(costs.bytes()).isEqualTo(3_000_000);
        assertThat(costs.moveMillis()).isCloseTo(120, within(1e-6));
        assertThat(costs.hostBytesPerSecond())
                .as("not measured by a move")
                .isEqualTo(StateCosts.PUBLISHED.hostBytesPerSecond());
    }

    @Test
    void aMoveQuickerThanWhatIsAssumedBeforeItsFirstByteIsBelieved() {
        for (int i = 0; i < 3; i++) {
            learner.measured(1_000, 0.002);
        }
        assertThat(learner.costs(StateCosts.PUBLISHED).moveMillis()).isCloseTo(2, within(1e-6));
    }

    @Test
    void oldMovesAreForgotten() {
        for (int i = 0; i < 100; i++) {
            learner.measured(1_000_000, 1);
        }
        for (int i = 0; i < 32; i++) {
            learner.measured(1_000_000, 0.5);
        }
        assertThat(learner.costs(StateCosts.PUBLISHED).moveMillis()).isCloseTo(500, within(1e-6));
    }
}
