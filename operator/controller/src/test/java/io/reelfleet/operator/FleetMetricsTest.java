package io.reelfleet.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.reelfleet.operator.fleet.MoveView;
import io.reelfleet.operator.fleet.MoveView.Figures;
import io.reelfleet.operator.fleet.MoveView.Outcome;
import io.reelfleet.operator.fleet.MoveView.Transport;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What the operator's metrics say of moves. */
class FleetMetricsTest {

    private static MoveView move(String id, Transport transport, Outcome outcome, Figures figures) {
        return new MoveView(
                id,
                "uid-" + id,
                id,
                "w1",
                "w2",
                "Spread",
                transport,
                Instant.EPOCH,
                outcome,
                "",
                figures);
    }

    @Test
    void movesAreCountedByTransportAndOutcomeAndOnlyThoseThatArrivedAreTimed() {
        FleetMetrics metrics = new FleetMetrics();
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        metrics.registry = registry;
        Figures figures = new Figures(3_000, 40, 0.02, 0.5);

        metrics.moved("ns/p", move("a", Transport.LIVE, Outcome.MOVED, figures));
        metrics.moved("ns/p", move("b", Transport.LIVE, Outcome.KEPT, figures));
        metrics.moved("ns/p", move("c", Transport.LOG, Outcome.MOVED, null));

        assertThat(
                        registry.get("reelfleet.moves")
                                .tags("pool", "ns/p", "transport", "live", "outcome", "Moved")
                                .counter()
                                .count())
                .isEqualTo(1);
        assertThat(
                        registry.get("reelfleet.moves")
                                .tags("transport", "log", "outcome", "Moved")
                                .counter()
                                .count())
                .isEqualTo(1);
        assertThat(registry.get("reelfleet.move.pause").timer().count()).isEqualTo(1);
        assertThat(registry.get("reelfleet.move.pause").timer().totalTime(TimeUnit.MILLISECONDS))
                .isCloseTo(20, within(0.01));
        assertThat(registry.get("reelfleet.move.duration").timer().totalTime(TimeUnit.MILLISECONDS))
                .isCloseTo(500, within(0.01));
        assertThat(registry.getMeters())
                .allSatisfy(
                        (Meter m) ->
                                assertThat(m.getId().getTags())
                                        .noneMatch(t -> t.getValue().contains("uid-")));
    }
}
