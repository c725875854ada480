package io.reelfleet.replay;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class BurstGeneratorTest {
    @Property(tries = 300)
    void staysInsideItsShape(
            @ForAll @DoubleRange(min = 6, max = 600) double seconds,
            @ForAll @IntRange(min = 1, max = 40) int peak,
            @ForAll long seed) {
        Trace trace = BurstGenerator.generate(new BurstGenerator.Shape(seconds, peak, 6), seed);

        assertThat(trace.peakActive()).isBetween(1, peak);
        assertThat(trace.seconds()).isLessThanOrEqualTo(seconds + 1e-6);
        assertThat(trace.sessions())
                .allSatisfy(
                        s ->
                                assertThat(s.bursts())
                                        .allSatisfy(
                                                b ->
                                                        assertThat(b.seconds())
                                                                .isGreaterThan(6 - 1e-6)));
    }

    @Test
    void theSameSeedMakesTheSameTrace() {
        BurstGenerator.Shape shape = new BurstGenerator.Shape(120, 9, 6);

        assertThat(BurstGenerator.generate(shape, 5)).isEqualTo(BurstGenerator.generate(shape, 5));
        assertThat(BurstGenerator.generate(shape, 6))
                .isNotEqualTo(BurstGenerator.generate(shape, 5));
    }

    @Property(tries = 100)
    void theMiddleIsBusierThanTheEdges(@ForAll long seed) {
        Trace trace = BurstGenerator.generate(new BurstGenerator.Shape(120, 9, 6), seed);

        assertThat(activeAt(trace, 54))
                .isGreaterThan(2 * Math.max(activeAt(trace, 30), activeAt(trace, 100)) - 1);
    }

    @Property(tries = 100)
    void oneSessionRestsForAQuarterOfTheTimeAndComesBack(@ForAll long seed) {
        Trace trace = BurstGenerator.generate(new BurstGenerator.Shape(120, 3, 6), seed);

        assertThat(trace.sessions())
                .anySatisfy(
                        s -> {
                            assertThat(s.bursts()).hasSizeGreaterThan(1);
                            assertThat(s.bursts().get(1).start() - s.bursts().get(0).end())
                                    .isGreaterThan(30 - 1e-6);
                        });
    }

    private static int activeAt(Trace trace, double at) {
        return (int)
                trace.sessions().stream()
                        .filter(
                                s ->
                                        s.bursts().stream()
                                                .anyMatch(b -> b.start() <= at && at < b.end()))
                        .count();
    }
}
