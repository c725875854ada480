package io.reelfleet.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/** Workers for demand that has lasted for a start-up time, kept for as long again. */
class SustainedDemandTest {
    private static final double START_UP = 30;

    private final SustainedDemand lasting = new SustainedDemand(2);

    private int at(double now, double demand) {
        return lasting.observe(now, demand, START_UP);
    }

    @Test
    void whatHasJustComeGetsNothing() {
        assertThat(at(0, 4)).isZero();
        assertThat(at(29.9, 4)).isZero();
    }

    @Test
    void whatHasLastedForAStartUpTimeGetsItsWorkers() {
        at(0, 4);
        assertThat(lasting.nextChange(START_UP)).isEqualTo(30);
        assertThat(at(30, 4)).isEqualTo(2);
        assertThat(at(31, 9)).as("only what has lasted counts").isEqualTo(2);
    }

    @Test
    void whatComesAndGoesStartsAnew() {
        at(0, 4);
        at(20, 2);
        assertThat(at(30, 4)).as("two have been there all the time").isEqualTo(1);
        assertThat(at(49, 4)).isEqualTo(1);
        assertThat(at(60, 4)).isEqualTo(2);
    }

    @Test
    void aWorkerIsKeptForAsLongAgainAfterItWasLastNeeded() {
        at(0, 4);
        at(30, 4);
        assertThat(at(40, 1)).isEqualTo(2);
        assertThat(at(69.9, 1)).isEqualTo(2);
        assertThat(lasting.nextChange(START_UP)).isBetween(70.0, 70.001);
        assertThat(at(70.1, 1)).isEqualTo(1);
        assertThat(lasting.nextChange(START_UP)).isInfinite();
    }

    @Property(tries = 300)
    void isTheLargestOfTheLeastDemands(
            @ForAll @Size(min = 1, max = 40) List<@IntRange(min = 0, max = 9) Integer> demands,
            @ForAll @IntRange(min = 1, max = 12) int step) {
        int window = 6;
        SustainedDemand sliding = new SustainedDemand(2);
        List<Integer> needed = new ArrayList<>();
        for (int i = 0; i < demands.size(); i++) {
            // The least in the six steps until now; nothing was there before the first.
            int until = Integer.MAX_VALUE;
            for (int j = i - window; j < i; j++) {
                until = Math.min(until, j < 0 ? 0 : demands.get(j));
            }
            needed.add((until + 1) / 2);
            int most = 0;
            for (int j = Math.max(0, i - window); j <= i; j++) {
                most = Math.max(most, needed.get(j));
            }
            assertThat(sliding.observe((double) i * step, demands.get(i), (double) window * step))
                    .as("step %d of %s", i, demands)
                    .isEqualTo(most);
        }
    }
}
