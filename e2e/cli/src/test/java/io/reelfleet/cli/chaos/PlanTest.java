package io.reelfleet.cli.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** What a run does is drawn from its seed alone. */
class PlanTest {
    private static final Set<Fault> ALL = EnumSet.allOf(Fault.class);

    private static List<Plan> plans(Set<Fault> possible) {
        return LongStream.range(0, 400).mapToObj(seed -> Plan.draw(seed, possible)).toList();
    }

    @Test
    void oneSeedIsOnePlan() {
        assertThat(plans(ALL)).isEqualTo(plans(ALL));
        assertThat(plans(ALL).stream().map(Plan::acts).distinct().count()).isEqualTo(400);
    }

    @Test
    void allFaultsComeAtAllSteps() {
        List<Plan.Act> acts = plans(ALL).stream().flatMap(p -> p.acts().stream()).toList();
        assertThat(acts.stream().map(Plan.Act::fault).collect(Collectors.toSet()))
                .isEqualTo(EnumSet.allOf(Fault.class));
        assertThat(acts.stream().map(Plan.Act::step).collect(Collectors.toSet()))
                .isEqualTo(EnumSet.allOf(Step.class));
        assertThat(acts)
                .allSatisfy(
                        a -> {
                            assertThat(a.hold() > 0).isEqualTo(a.fault().lasts());
                            assertThat(a.jump() != 0)
                                    .isEqualTo(a.fault().need() == Fault.Need.CLOCK);
                        });
    }

    @Test
    void onlyWhatIsPossibleComes() {
        Set<Fault> few = EnumSet.of(Fault.KILL_SOURCE, Fault.CUT_DATA);
        assertThat(plans(few).stream().flatMap(p -> p.acts().stream()).map(Plan.Act::fault))
                .isSubsetOf(few);
    }
}
