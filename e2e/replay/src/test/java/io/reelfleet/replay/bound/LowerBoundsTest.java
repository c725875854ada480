package io.reelfleet.replay.bound;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.scheduler.LatencyProfile;
import org.junit.jupiter.api.Test;

/**
 * By hand, C = 2, start-up 5 s: one session for 10 s, three for 10 s, one for 10 s, none for 30 s,
 * two for 10 s.
 */
class LowerBoundsTest {
    private static final DemandCurve CURVE =
            DemandCurve.of(
                    new long[] {0, 10_000, 20_000, 30_000, 60_000, 70_000},
                    new int[] {1, 3, 1, 0, 2, 0});
    private static final LowerBounds BOUNDS =
            LowerBounds.of(CURVE, 2, 5, LatencyProfile.proportional(750, 2));

    @Test
    void aIsTheLatencyOfTheFullestWorkerOfTheSmallestFleet() {
        // Three on two workers, or two on one: L(2).
        assertThat(BOUNDS.boundASeconds()).isEqualTo(0.75);
        assertThat(BOUNDS.peakActive()).isEqualTo(3);
        LowerBounds roomy =
                LowerBounds.of(
                        DemandCurve.of(new long[] {0, 1000}, new int[] {4, 0}),
                        3,
                        5,
                        LatencyProfile.proportional(750, 3));
        assertThat(roomy.boundASeconds()).isCloseTo(0.5, within(1e-9));
    }

    @Test
    void bIsTheFleetThatIsAlwaysJustLargeEnough() {
        assertThat(BOUNDS.boundBGpuSeconds()).isEqualTo(10 + 20 + 10 + 10);
    }

    @Test
    void cAddsAStartUpPerLevelAndTheCheaperOfHoldingAndStartingAgain() {
        // Level 1: 5 + 30 + min(30, 5) + 10; level 2: 5 + 10.
        assertThat(BOUNDS.boundCGpuSeconds()).isEqualTo(50 + 15);
        // With a start-up of 40 s the gap of 30 s is held: 40 + 30 + 30 + 10 and 40 + 10.
        assertThat(
                        LowerBounds.of(CURVE, 2, 40, LatencyProfile.proportional(750, 2))
                                .boundCGpuSeconds())
                .isEqualTo(110 + 50);
    }

    @Test
    void bOfEpsDropsTheSlicesThatServeTheFewestFirst() {
        // 70 session-seconds; 30 GPU-seconds serve one session, 10 serve two, 10 lie below those.
        assertThat(BOUNDS.sessionSeconds()).isEqualTo(70);
        assertThat(BOUNDS.bGpuSeconds(0)).isEqualTo(50);
        assertThat(BOUNDS.bGpuSeconds(20 / 70.0)).isCloseTo(30, within(1e-9));
        assertThat(BOUNDS.bGpuSeconds(40 / 70.0)).isCloseTo(15, within(1e-9));
        assertThat(BOUNDS.bGpuSeconds(1)).isCloseTo(0, within(1e-9));
    }

    @Test
    void theCurveKnowsHowManyAreEnoughForAShareOfTheBusyTime() {
        // Busy for 40 s: one for 20, two for 10, three for 10.
        assertThat(CURVE.percentile(0.5)).isEqualTo(1);
        assertThat(CURVE.percentile(0.75)).isEqualTo(2);
        assertThat(CURVE.percentile(0.95)).isEqualTo(3);
    }
}
