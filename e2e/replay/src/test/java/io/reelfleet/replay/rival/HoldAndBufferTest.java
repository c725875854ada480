package io.reelfleet.replay.rival;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.replay.Burst;
import io.reelfleet.replay.BurstGenerator;
import io.reelfleet.replay.Trace;
import io.reelfleet.replay.TraceSession;
import io.reelfleet.replay.bound.DemandCurve;
import io.reelfleet.replay.rival.HoldAndBuffer.Settings;
import io.reelfleet.replay.sim.Conditions;
import io.reelfleet.replay.sim.Journal;
import io.reelfleet.replay.sim.Outcome;
import io.reelfleet.replay.sim.Simulation;
import io.reelfleet.replay.sim.StartUp;
import io.reelfleet.replay.sim.Workload;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** C = 2, start-up 5 s, on the curve by hand of LowerBoundsTest. */
class HoldAndBufferTest {
    private static final Workload WORK =
            Workload.of(
                    new Trace(
                            List.of(
                                    new TraceSession(
                                            "a", List.of(new Burst(0, 30), new Burst(60, 70))),
                                    new TraceSession(
                                            "b", List.of(new Burst(10, 20), new Burst(60, 70))),
                                    new TraceSession("c", List.of(new Burst(10, 20))))),
                    1,
                    1);
    private static final HoldAndBuffer HINDSIGHT =
            new HoldAndBuffer(DemandCurve.of(WORK), 2, 5_000);

    @Test
    void withoutRoomAndHoldEachLevelStartsWhenItIsNeeded() {
        // Level 1: 0-30 and 60-70; level 2: 10-20. Late: one for 5 s on level 2, two for 5 s at 60.
        HoldAndBuffer.Result r = HINDSIGHT.evaluate(new Settings(0, 0, 0));

        assertThat(r.gpuSeconds()).isEqualTo(50);
        assertThat(r.lateRatio()).isCloseTo(15 / 70.0, within(1e-12));
    }

    @Test
    void holdingBridgesGapsAndEndsWithTheTrace() {
        // Level 1: 0-70; level 2: 10-20 and 40 s more.
        HoldAndBuffer.Result r = HINDSIGHT.evaluate(new Settings(0, 0, 40));

        assertThat(r.gpuSeconds()).isEqualTo(70 + 50);
        assertThat(r.lateRatio()).isCloseTo(5 / 70.0, within(1e-12));
    }

    @Test
    void roomForOneMoreIsThereBeforeItComes() {
        // ceil((a + 1) / 2): level 1 always, level 2 at 10-20 and 60-70.
        HoldAndBuffer.Result r = HINDSIGHT.evaluate(new Settings(1, 0, 0));

        assertThat(r.gpuSeconds()).isEqualTo(70 + 10 + 10);
        assertThat(r.lateRatio()).isCloseTo(5 / 70.0, within(1e-12));
    }

    @Test
    void theBestIsTheCheapestThatKeepsTheBudget() {
        List<HoldAndBuffer.Result> all =
                List.of(
                        HINDSIGHT.evaluate(new Settings(0, 0, 0)),
                        HINDSIGHT.evaluate(new Settings(0, 0, 40)),
                        HINDSIGHT.evaluate(new Settings(1, 0, 0)));

        assertThat(HoldAndBuffer.best(all, 0.3).orElseThrow().gpuSeconds()).isEqualTo(50);
        assertThat(HoldAndBuffer.best(all, 0.1).orElseThrow().gpuSeconds()).isEqualTo(90);
        assertThat(HoldAndBuffer.best(all, 0.01)).isEmpty();
    }

    @Property(tries = 60)
    void theSimulatorAgreesWithTheCurve(
            @ForAll long seed,
            @ForAll @IntRange(min = 0, max = 4) int k,
            @ForAll @IntRange(min = 0, max = 60) int hold) {
        Workload work =
                Workload.of(
                        BurstGenerator.generate(new BurstGenerator.Shape(600, 15, 6), seed), 1, 1);
        Settings settings = new Settings(k, 0.5, hold);
        Conditions world = Conditions.comparison(4, StartUp.fixed(10), 1);

        HoldAndBuffer.Result curve =
                new HoldAndBuffer(DemandCurve.of(work), 4, 10_000).evaluate(settings);
        Outcome simulated =
                Simulation.runWithFreeMoves(work, Rivals.hindsight(settings), world, Journal.NONE);

        assertThat(simulated.gpuSeconds()).isCloseTo(curve.gpuSeconds(), within(1e-6));
        // Chunks are counted whole, the curve counts seconds.
        assertThat(simulated.lateRatio()).isCloseTo(curve.lateRatio(), within(0.02));
    }
}
