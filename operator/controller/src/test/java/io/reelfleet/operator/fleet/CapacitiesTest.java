package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.reelfleet.scheduler.PoolSettings;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** C follows from the chunks that workers report, through the fleet loop and in virtual time. */
final class CapacitiesTest {
    private static final String MEASURED = "scaling: {maxGpus: 8}";

    /** A pool that assumes four sessions per worker until it has measured. */
    private static TestFleet fleet(String spec) {
        return fleet(spec, 1, 8);
    }

    private static TestFleet fleet(String spec, int min, int max) {
        TestFleet fleet = new TestFleet(4, min, max);
        fleet.spec(spec);
        fleet.gpus = made -> "H100";
        return fleet;
    }

    private static void open(TestFleet fleet, int sessions) {
        for (int i = 0; i < sessions; i++) {
            fleet.loop.want(wish("s" + i));
        }
    }

    private static long changes(TestFleet fleet) {
        return fleet.occurrences.stream()
                .filter(o -> o.reason().equals("CapacityMeasured"))
                .count();
    }

    @Test
    void aSlowGpuIsGivenFewerSessions() {
        TestFleet fleet = fleet(MEASURED);
        fleet.latency = (gpu, n) -> 0.3 * n;
        open(fleet, 8);
        fleet.run(10);
        assertThat(fleet.loop.view().capacity()).isEqualTo(4);
        assertThat(fleet.workers).hasSize(2);

        fleet.run(300);
        assertThat(fleet.loop.view().capacity()).isEqualTo(2);
        assertThat(fleet.workers.values())
                .hasSize(4)
                .allSatisfy(w -> assertThat(w.sessions).hasSize(2));
        assertThat(fleet.loop.view().gpus())
                .singleElement()
                .satisfies(
                        g -> {
                            assertThat(g.name()).isEqualTo("H100");
                            assertThat(g.workers()).isEqualTo(4);
                            assertThat(g.capacity()).isEqualTo(2);
                            assertThat(g.latencyS()).isCloseTo(0.6, within(0.05));
                        });
        assertThat(fleet.occurrences)
                .anyMatch(
                        o ->
                                o.message()
                                        .startsWith(
                                                "sessions per worker with GPU H100: 3, before: 4,"
                                                        + " where a chunk took 1."));
    }

    @Test
    void aFastGpuIsGivenMoreUntilNobodyWaitsForOne() {
        TestFleet fleet = fleet(MEASURED, 1, 1);
        fleet.latency = (gpu, n) -> 0.08 * n;
        open(fleet, 8);
        fleet.run(10);
        assertThat(fleet.workers.values())
                .singleElement()
                .satisfies(w -> assertThat(w.sessions).hasSize(4));

        fleet.run(600);
        // 0.64 s at eight; nine would be expected above nine tenths of the target.
        assertThat(fleet.loop.view().capacity()).isEqualTo(8);
        assertThat(fleet.workers.values())
                .singleElement()
                .satisfies(w -> assertThat(w.sessions).hasSize(8));
    }

    @Test
    void workersThatAreNotNeededAnyMoreGo() {
        TestFleet fleet = fleet(MEASURED);
        fleet.latency = (gpu, n) -> 0.08 * n;
        open(fleet, 12);
        fleet.run(10);
        assertThat(fleet.workers).hasSize(3);
        fleet.run(900);
        assertThat(fleet.loop.view().capacity()).isBetween(8, 9);
        assertThat(fleet.workers).hasSize(2);
    }

    @Test
    void anHourAtTheEdgeChangesNothingAnyMore() {
        TestFleet fleet = fleet(MEASURED);
        fleet.latency = (gpu, n) -> 0.187 * n;
        open(fleet, 8);
        fleet.run(600);
        long settled = changes(fleet);
        int workers = fleet.workers.size();
        fleet.run(3_000);
        assertThat(changes(fleet)).isEqualTo(settled);
        assertThat(fleet.workers).hasSize(workers);
    }

    @Test
    void aHintIsObeyedAndTheLatencyShownAllTheSame() {
        TestFleet fleet = fleet("scaling: {maxGpus: 8, capacityHint: 4}");
        fleet.latency = (gpu, n) -> 0.3 * n;
        open(fleet, 8);
        fleet.run(300);
        assertThat(fleet.loop.view().capacity()).isEqualTo(4);
        assertThat(fleet.workers).hasSize(2);
        assertThat(fleet.loop.view().gpus().getFirst().latencyS()).isCloseTo(1.2, within(0.1));
    }

    @Test
    void workersThatShareAProcessorAreNotMeasuredByIt() {
        TestFleet fleet = fleet(MEASURED + "\nruntime: {device: Cpu}");
        fleet.gpus = made -> "cpu";
        fleet.latency = (gpu, n) -> 0.3 * n;
        open(fleet, 8);
        fleet.run(300);
        assertThat(fleet.loop.view().capacity()).isEqualTo(4);
    }

    @Test
    void eachTypeOfGpuHasItsOwn() {
        // By hand, since else the pool would rather give the slow ones back.
        TestFleet fleet = new TestFleet(PoolSettings.Mode.MANUAL, 4, 4, 4);
        fleet.spec(MEASURED);
        fleet.gpus = made -> made % 2 == 0 ? "L4" : "H100";
        fleet.latency = (gpu, n) -> (gpu.equals("L4") ? 0.3 : 0.1) * n;
        open(fleet, 14);
        fleet.run(1_200);
        Map<String, Integer> capacity =
                fleet.loop.view().gpus().stream()
                        .collect(Collectors.toMap(GpuView::name, GpuView::capacity));
        assertThat(capacity).containsEntry("L4", 2);
        assertThat(capacity.get("H100")).isGreaterThan(4);
        fleet.workers
                .values()
                .forEach(
                        w ->
                                assertThat(w.sessions.size())
                                        .as("%s %s", w.name, w.gpu)
                                        .isLessThanOrEqualTo(capacity.get(w.gpu)));
        assertThat(fleet.loop.view().sessions().values())
                .allMatch(s -> s.phase() == SessionView.Phase.RUNNING);
    }

    @Test
    void aNewLeaderLeavesWorkersWhatTheyCarry() {
        TestFleet fleet = fleet(MEASURED, 1, 1);
        fleet.latency = (gpu, n) -> 0.08 * n;
        open(fleet, 6);
        fleet.run(600);
        assertThat(fleet.loop.view().capacity()).isGreaterThanOrEqualTo(6);
        String worker = fleet.workers.keySet().iterator().next();
        List<SessionWish> known =
                fleet.loop.view().sessions().values().stream().map(SessionView::wish).toList();

        fleet.workers.get(worker).commands.clear();
        fleet.restart(2, known.toArray(SessionWish[]::new));
        fleet.run(20);
        assertThat(fleet.loop.view().capacity()).isGreaterThanOrEqualTo(6);
        assertThat(fleet.workers.get(worker).commands).noneMatch(c -> c.startsWith("suspend"));
    }
}
