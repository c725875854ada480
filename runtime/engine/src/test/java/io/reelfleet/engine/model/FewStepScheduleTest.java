package io.reelfleet.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class FewStepScheduleTest {
    @Test
    void fourStepsAtShiftFiveAreThoseOfSelfForcing() {
        FewStepSchedule schedule = FewStepSchedule.shifted(4, 5);
        assertThat(schedule.timesteps()).containsExactly(1000, 937.5, 833.3333129882812, 625);
        assertThat(schedule.sigmas()).containsExactly(1, 0.9375, (float) (2.5 / 3), 0.625);
    }

    @Test
    void stepsMayBeAnywhere() {
        FewStepSchedule schedule = FewStepSchedule.shifted(new double[] {1, 0.6, 0.1}, 1);
        assertThat(schedule.timesteps()).containsExactly(1000, 600, 100);
    }

    @Test
    void stepsThatDoNotFallAreRefused() {
        for (double[] steps : new double[][] {{500, 600}, {500, 500}, {500, 0}, {}}) {
            assertThatThrownBy(() -> FewStepSchedule.given(steps, steps, "reelfleet.json"))
                    .hasMessageStartingWith("reelfleet.json: timesteps and sigmas must");
        }
    }
}
