package io.reelfleet.replay.rival;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.reelfleet.replay.bound.DemandCurve;
import io.reelfleet.replay.bound.LowerBounds;
import io.reelfleet.replay.sim.Workload;
import io.reelfleet.scheduler.LatencyProfile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The figures that the project's design quotes, where its traces lie beside the checkout. */
class ReferenceFiguresTest {
    private static final String FOLDED_DAY = "gentd26-folded-day.csv";
    private static final String CONVERSATION = "mooncake-conversation-1h.csv";

    @Test
    void hindsightOnTheFoldedDay() throws Exception {
        Workload work = trace(FOLDED_DAY);
        DemandCurve curve = DemandCurve.of(work);
        double c = bounds(curve).boundCGpuSeconds();

        List<HoldAndBuffer.Result> all =
                new HoldAndBuffer(curve, 4, 30_000).all(HoldAndBuffer.PUBLISHED);

        assertThat(over(all, 0.05, c)).isCloseTo(1.00, within(0.005));
        assertThat(over(all, 0.01, c)).isCloseTo(1.15, within(0.005));
        assertThat(over(all, 0.001, c)).isCloseTo(1.38, within(0.005));
    }

    @Test
    void aFleetForThePeakNeeds30To380PercentMoreThanTheBound() throws Exception {
        for (String name : List.of(FOLDED_DAY, CONVERSATION)) {
            DemandCurve curve = DemandCurve.of(trace(name));
            double hours = curve.at(curve.size() - 1) - curve.at(0);
            double cost = Math.ceilDiv(curve.peak(), 4) * hours / 1000;

            assertThat(cost / bounds(curve).boundCGpuSeconds())
                    .isCloseTo(name.equals(FOLDED_DAY) ? 4.76 : 1.30, within(0.005));
        }
    }

    private static double over(List<HoldAndBuffer.Result> all, double budget, double c) {
        return HoldAndBuffer.best(all, budget).orElseThrow().gpuSeconds() / c;
    }

    private static LowerBounds bounds(DemandCurve curve) {
        return LowerBounds.of(curve, 4, 30, LatencyProfile.proportional(750, 4));
    }

    private static Workload trace(String name) throws Exception {
        Path file = Path.of("../../../shared/traces", name);
        assumeThat(Files.exists(file))
                .as("put the traces into ../shared/traces beside the checkout to run this")
                .isTrue();
        return Workload.read(file, 1, 1);
    }
}
