package io.reelfleet.replay.rival;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.StartUp;
import io.reelfleet.scheduler.Fleet;
import io.reelfleet.scheduler.LatencyProfile;
import java.util.ArrayDeque;
import java.util.Deque;
import org.junit.jupiter.api.Test;

/** Each against an example worked by hand; C = 4. */
class ScalersTest {
    private final Fleet fleet =
            new Fleet(Conditions.comparison(4, StartUp.fixed(30), 1).pool(0.01));
    private final Deque<Integer> sessions = new ArrayDeque<>();
    private int made;

    @Test
    void hpaFollowsTheRatioToItsTargetEvery15Seconds() {
        Scalers.Hpa hpa = new Scalers.Hpa();
        at(0, 8, 1);
        // 8 sessions on one pod of 4: ratio 2.
        assertThat(hpa.wanted(fleet, 1)).isEqualTo(2);
        at(5_000, 12, 2);
        assertThat(hpa.wanted(fleet, 2)).as("between two looks").isEqualTo(2);
        at(15_000, 12, 2);
        assertThat(hpa.wanted(fleet, 2)).isEqualTo(3);
    }

    @Test
    void hpaToleratesATenth() {
        Scalers.Hpa hpa = new Scalers.Hpa();
        at(0, 43, 10);
        // 43 / 40 = 1.075.
        assertThat(hpa.wanted(fleet, 10)).isEqualTo(10);
        at(15_000, 45, 10);
        // 45 / 40 = 1.125: ceil(11.25).
        assertThat(hpa.wanted(fleet, 10)).isEqualTo(12);
    }

    @Test
    void hpaAtMostDoublesOrAddsFour() {
        at(0, 100, 1);
        assertThat(new Scalers.Hpa().wanted(fleet, 1)).isEqualTo(5);
        assertThat(new Scalers.Hpa().wanted(fleet, 6)).isEqualTo(12);
    }

    @Test
    void hpaShrinksToTheHighestRecommendationOfFiveMinutes() {
        Scalers.Hpa hpa = new Scalers.Hpa();
        at(0, 20, 5);
        assertThat(hpa.wanted(fleet, 5)).isEqualTo(5);
        at(15_000, 0, 5);
        assertThat(hpa.wanted(fleet, 5)).isEqualTo(5);
        for (long t = 30_000; t <= 300_000; t += 15_000) {
            at(t, 0, 5);
            assertThat(hpa.wanted(fleet, 5)).isEqualTo(5);
        }
        at(315_000, 0, 5);
        assertThat(hpa.wanted(fleet, 5)).as("never under one").isEqualTo(1);
    }

    @Test
    void kpaAims70PercentOfTheMeanOverAMinute() {
        Scalers.Kpa kpa = new Scalers.Kpa();
        at(0, 4, 2);
        kpa.wanted(fleet, 2);
        for (long t = 2_000; t <= 60_000; t += 2_000) {
            at(t, 4, 2);
            kpa.wanted(fleet, 2);
        }
        // 4 / 2.8 = 1.43.
        assertThat(kpa.wanted(fleet, 2)).isEqualTo(2);
        at(62_000, 1, 2);
        kpa.wanted(fleet, 2);
        at(122_000, 1, 2);
        assertThat(kpa.wanted(fleet, 2)).isEqualTo(1);
    }

    @Test
    void kpaPanicsWhenSixSecondsAskForTwiceWhatIsThere() {
        Scalers.Kpa kpa = new Scalers.Kpa();
        at(0, 2, 1);
        kpa.wanted(fleet, 1);
        at(60_000, 2, 1);
        assertThat(kpa.wanted(fleet, 1)).isEqualTo(1);
        at(60_001, 20, 1);
        kpa.wanted(fleet, 1);
        at(66_000, 20, 1);
        // 20 / 2.8 = 7.14 over the last six seconds; over the last sixty (54 x 2 + 6 x 20) / 60
        // = 3.8, which would ask for 2.
        assertThat(kpa.wanted(fleet, 1)).isEqualTo(8);
        at(68_000, 0, 8);
        kpa.wanted(fleet, 8);
        at(100_000, 0, 8);
        assertThat(kpa.wanted(fleet, 8)).as("nothing goes in panic").isEqualTo(8);
        at(130_000, 0, 8);
        assertThat(kpa.wanted(fleet, 8)).as("at most halved").isEqualTo(4);
    }

    @Test
    void kpaGoesToNothingAndComesBackAtTheFirstRequest() {
        Scalers.Kpa kpa = new Scalers.Kpa();
        at(0, 0, 1);
        kpa.wanted(fleet, 1);
        at(60_000, 0, 1);
        assertThat(kpa.wanted(fleet, 1)).isZero();
        at(62_000, 1, 0);
        assertThat(kpa.wanted(fleet, 0)).isEqualTo(1);
        assertThat(kpa.admitted(4)).isEqualTo(4);
    }

    @Test
    void rayServeWaits30SecondsUpAnd600Down() {
        Scalers.RayServe ray = new Scalers.RayServe();
        at(0, 8, 1);
        ray.wanted(fleet, 1);
        long grown = 0;
        for (long t = 1_000; t <= 120_000 && grown == 0; t += 1_000) {
            at(t, 8, 1);
            grown = ray.wanted(fleet, 1) > 1 ? t : 0;
        }
        // The mean of 30 s exceeds 4 after 16 s, and 30 s later it grows to ceil(8 / 4).
        assertThat(grown).isEqualTo(46_000);
        assertThat(ray.wanted(fleet, 1)).isEqualTo(2);
        long gone = 0;
        for (long t = 200_000; t <= 1_000_000 && gone == 0; t += 1_000) {
            at(t, 0, 2);
            gone = ray.wanted(fleet, 2) < 2 ? t : 0;
        }
        // The mean falls to 4 at 200 + 15 s.
        assertThat(gone).isEqualTo(815_000);
        assertThat(ray.wanted(fleet, 1)).isEqualTo(1);
    }

    @Test
    void agonesKeepsRoomForAGpusSessions() {
        at(0, 5, 1);
        // (5 + 4) / 4.
        assertThat(new Scalers.Agones().wanted(fleet, 1)).isEqualTo(3);
    }

    @Test
    void dynamosFilterFollowsALevelAndATrend() {
        Scalers.Dynamo dynamo = new Scalers.Dynamo();
        // By hand: prediction 0, variances 21, 10, 10.1; gains 21/31 and 10/31 for 31.
        assertThat(dynamo.foretell(31)).isCloseTo(21 + 10, within(1e-9));
        for (int i = 0; i < 200; i++) {
            dynamo.foretell(100 + 5 * i);
        }
        assertThat(dynamo.foretell(100 + 5 * 200)).isCloseTo(100 + 5 * 201, within(1e-3));
    }

    @Test
    void staticIsAlwaysTheSame() {
        at(0, 100, 3);
        assertThat(new Scalers.Static(3).wanted(fleet, 0)).isEqualTo(3);
    }

    @Test
    void turboServesNumberFollowsCostAndLatencyInClassesOfVolatility() {
        var pool = fleet.pool();
        // Calm, lambda 1: 16 sessions need ceil(16 / 3.8) = 5 GPUs; one more costs 1 and saves
        // less than 0.2 s.
        assertThat(TurboServe.best(16, TurboServe.Volatility.CALM, pool)).isEqualTo(5);
        // Volatile: ceil(16 / 3) = 6 GPUs, 3 on the fullest.
        assertThat(TurboServe.best(16, TurboServe.Volatility.VOLATILE, pool)).isEqualTo(6);
        assertThat(TurboServe.best(0, TurboServe.Volatility.CALM, pool)).isZero();
        assertThat(TurboServe.Volatility.of(1.9)).isEqualTo(TurboServe.Volatility.CALM);
        assertThat(TurboServe.Volatility.of(2)).isEqualTo(TurboServe.Volatility.CHANGING);
        assertThat(TurboServe.Volatility.of(10)).isEqualTo(TurboServe.Volatility.VOLATILE);
    }

    @Test
    void turboServesMoveMustGainMoreThanItCosts() {
        LatencyProfile latency = LatencyProfile.proportional(750, 4);
        // From 4 and 1: L(4) - max(L(3), L(2)) - 14 ms.
        assertThat(TurboServe.gain(latency, 4, 1, 14)).isCloseTo(187.5 - 14, within(1e-9));
        // From 3 and 2 nothing is gained.
        assertThat(TurboServe.gain(latency, 3, 2, 14)).isNegative();
    }

    @Test
    void holdKeepsWhatWasNeededForItsTime() {
        Scalers.Hold hold = new Scalers.Hold(new HoldAndBuffer.Settings(1, 0, 60));
        at(0, 8, 1);
        // ceil((8 + 1) / 4).
        assertThat(hold.wanted(fleet, 1)).isEqualTo(3);
        at(10_000, 0, 3);
        assertThat(hold.wanted(fleet, 3)).isEqualTo(3);
        assertThat(hold.next(fleet)).isEqualTo(70_000);
        at(70_000, 0, 3);
        assertThat(hold.wanted(fleet, 3)).isEqualTo(1);
    }

    /** From now on so many sessions want chunks on so many ready workers. */
    private void at(long millis, int active, int workers) {
        fleet.advance(millis);
        while (fleet.workers() < workers) {
            fleet.ready(fleet.request("w" + ++made));
        }
        while (fleet.workers() > workers) {
            fleet.gone(fleet.worker(0));
        }
        while (sessions.size() < active) {
            sessions.add(fleet.open("s" + ++made, 0, 1, true));
        }
        while (sessions.size() > active) {
            fleet.close(sessions.removeLast());
        }
    }
}
