package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Latency profiles, start-up times and shared budgets. */
class LearnersTest {

    @Test
    void theClosestSequenceThatNeverFallsPoolsWhatFalls() {
        // 3 and 1 become 2 and 2; with weights 1 and 3: 1.5.
        assertThat(LatencyLearner.monotone(new double[] {3, 1, 4}, new double[] {1, 1, 1}))
                .containsExactly(2, 2, 4);
        assertThat(LatencyLearner.monotone(new double[] {3, 1, 4}, new double[] {1, 3, 1}))
                .containsExactly(1.5, 1.5, 4);
        assertThat(LatencyLearner.monotone(new double[] {4, 3, 2, 1}, new double[] {1, 1, 1, 1}))
                .containsExactly(2.5, 2.5, 2.5, 2.5);
    }

    @Test
    void aProfileMovesFromWhatWasAssumedToWhatIsMeasured() {
        LatencyLearner learner = new LatencyLearner(8);
        LatencyProfile assumed = LatencyProfile.proportional(750, 4);
        assertThat(learner.profile(assumed, 10).at(1)).isEqualTo(assumed.at(1));
        for (int n = 1; n <= 6; n++) {
            learner.measured(n, 100 + 80 * n, 500);
        }
        LatencyProfile learned = learner.profile(assumed, 10);
        assertThat(learned.at(6)).isBetween(570.0, 600.0);
        assertThat(learned.capacity(750)).as("more fit than was assumed").isEqualTo(7);
    }

    @Test
    void startUpIsTheMedianOnceThreeWereSeen() {
        StartUpLearner learner = new StartUpLearner();
        learner.measured(10_000);
        learner.measured(90_000);
        assertThat(learner.typicalMillis(30_000)).isEqualTo(30_000);
        learner.measured(12_000);
        assertThat(learner.typicalMillis(30_000)).isBetween(11_000L, 13_000L);
    }

    @Test
    void aSharedBudgetServesSessionsBeforeHeadroom() {
        List<BudgetSplit.Claim> claims =
                List.of(
                        new BudgetSplit.Claim(1, 6, 9, 4, 1),
                        new BudgetSplit.Claim(0, 6, 4, 4, 1),
                        new BudgetSplit.Claim(0, 6, 8, 4, 10));
        assertThat(BudgetSplit.share(claims, 4)).containsExactly(3, 1, 0);
        assertThat(BudgetSplit.share(claims, 14)).as("the dear pool").containsExactly(3, 1, 1);
        assertThat(BudgetSplit.share(claims, 1_000)).containsExactly(6, 6, 6);
    }
}
