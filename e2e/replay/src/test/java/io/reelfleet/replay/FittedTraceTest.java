package io.reelfleet.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class FittedTraceTest {
    @Property(tries = 100)
    void neverMoreActiveThanTheFleetCarriesNorLongerThanAsked(
            @ForAll @IntRange(min = 1, max = 300) int sessions,
            @ForAll @IntRange(min = 1, max = 30) int peak,
            @ForAll long seed) {
        FittedTrace.Limits limits = new FittedTrace.Limits(120, peak, 6, 2);

        FittedTrace fitted = FittedTrace.fit(trace(sessions, seed), limits, seed);

        assertThat(fitted.trace().peakActive()).isBetween(1, peak);
        assertThat(fitted.trace().seconds()).isLessThanOrEqualTo(120 + 1e-6);
        assertThat(fitted.sessionsInTrace()).isEqualTo(sessions);
        for (TraceSession session : fitted.trace().sessions()) {
            Burst before = null;
            for (Burst burst : session.bursts()) {
                assertThat(burst.seconds()).isGreaterThanOrEqualTo(6 - 1e-6);
                if (before != null) {
                    assertThat(burst.start() - before.end()).isGreaterThanOrEqualTo(2 - 1e-6);
                }
                before = burst;
            }
        }
    }

    @Test
    void theSameSeedKeepsTheSameSessionsAndAnotherSeedOthers() {
        Trace trace = trace(400, 7);
        FittedTrace.Limits limits = new FittedTrace.Limits(120, 6, 6, 2);

        assertThat(FittedTrace.fit(trace, limits, 1)).isEqualTo(FittedTrace.fit(trace, limits, 1));
        assertThat(FittedTrace.fit(trace, limits, 2))
                .isNotEqualTo(FittedTrace.fit(trace, limits, 1));
    }

    @Test
    void aLargerFleetKeepsEverySessionThatASmallerOneKeeps() {
        Trace trace = trace(400, 7);

        Set<String> small = ids(FittedTrace.fit(trace, new FittedTrace.Limits(120, 4, 6, 2), 1));
        Set<String> large = ids(FittedTrace.fit(trace, new FittedTrace.Limits(120, 12, 6, 2), 1));

        assertThat(large).containsAll(small).hasSizeGreaterThan(small.size());
    }

    @Test
    void aTraceThatFitsIsLeftAsItIs() {
        Trace trace =
                new Trace(
                        List.of(
                                new TraceSession("a", List.of(new Burst(0, 10), new Burst(20, 30))),
                                new TraceSession("b", List.of(new Burst(5, 15)))));

        FittedTrace fitted = FittedTrace.fit(trace, new FittedTrace.Limits(60, 2, 6, 2), 1);

        assertThat(fitted.trace()).isEqualTo(trace);
        assertThat(fitted.sentence()).isEqualTo("2 of 2 sessions, time / 1");
    }

    @Test
    void saysHowMuchWasLeftOut() {
        assertThat(new FittedTrace(trace(3, 1), 8057, 31.04).sentence())
                .isEqualTo("3 of 8,057 sessions, time / 31.0");
        assertThat(new FittedTrace(trace(3, 1), 5899, 16578.3).sentence())
                .isEqualTo("3 of 5,899 sessions, time / 16,578");
    }

    @Test
    void refusesATimeInWhichNoBurstFits() {
        assertThatThrownBy(() -> new FittedTrace.Limits(5, 3, 6, 2))
                .hasMessageContaining("seconds: write at least 6.0");
    }

    private static Set<String> ids(FittedTrace fitted) {
        return fitted.trace().sessions().stream()
                .map(TraceSession::id)
                .collect(Collectors.toCollection(HashSet::new));
    }

    private static Trace trace(int sessions, long seed) {
        Random random = new Random(seed);
        List<TraceSession> all = new ArrayList<>();
        double opens = 0;
        for (int i = 0; i < sessions; i++) {
            opens += random.nextDouble() * 10;
            double at = opens;
            List<Burst> bursts = new ArrayList<>();
            for (int b = 0; b <= random.nextInt(4); b++) {
                double end = at + 1 + random.nextDouble() * 100;
                bursts.add(new Burst(at, end));
                at = end + random.nextDouble() * 300;
            }
            all.add(new TraceSession("s" + i, bursts));
        }
        return new Trace(all);
    }
}
