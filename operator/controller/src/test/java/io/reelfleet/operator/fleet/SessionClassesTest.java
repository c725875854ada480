package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.operator.fleet.SessionView.Phase;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What classes do, through the fleet loop and in virtual time. */
final class SessionClassesTest {
    private static final String CLASSES =
            """
            scaling: {maxGpus: 4, capacityHint: 4}
            latency: {classes: [{name: hd, weight: 2}, {name: wall, weight: 9}, {name: paid, priority: 10}]}
            """;

    private static TestFleet fleet(int capacity, int min, int max) {
        TestFleet fleet = new TestFleet(capacity, min, max);
        fleet.spec(CLASSES);
        return fleet;
    }

    private static void open(TestFleet fleet, String priorityClass, String latencyClass, int n) {
        int first = fleet.loop.view().sessions().size();
        for (int i = 0; i < n; i++) {
            fleet.loop.want(wish("s" + (first + i), priorityClass, latencyClass));
            fleet.step();
        }
    }

    @Test
    void aHeavySessionTakesTheRoomOfSeveral() {
        TestFleet ordinary = fleet(4, 0, 4);
        open(ordinary, "", "", 4);
        ordinary.run(5);
        assertThat(ordinary.workers).hasSize(1);

        TestFleet heavy = fleet(4, 0, 4);
        open(heavy, "", "hd", 4);
        heavy.run(6);
        assertThat(heavy.workers.values())
                .hasSize(2)
                .allSatisfy(w -> assertThat(w.sessions).hasSize(2));
    }

    @Test
    void whoIsHeavierThanAWorkerHasOneForItself() {
        TestFleet fleet = fleet(4, 0, 4);
        open(fleet, "", "wall", 1);
        open(fleet, "", "", 1);
        fleet.run(6);
        assertThat(fleet.workers.values())
                .hasSize(2)
                .allSatisfy(w -> assertThat(w.sessions).hasSize(1));
    }

    @Test
    void aHigherPriorityTakesAPlaceAndGivesItBack() {
        TestFleet fleet = fleet(2, 1, 1);
        fleet.priorityClasses.put("paying", 1_000);
        open(fleet, "", "", 2);
        fleet.run(5);
        assertThat(fleet.session("s0").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);

        open(fleet, "paying", "", 1);
        fleet.run(1);
        assertThat(fleet.session("s2").phase()).isEqualTo(Phase.RUNNING);
        List<String> waiting =
                List.of("s0", "s1").stream()
                        .filter(
                                s ->
                                        fleet.workerOf(s).sessions.get(s).state
                                                == io.reelfleet.api.session.v1.SessionState
                                                        .SESSION_STATE_SUSPENDED)
                        .toList();
        assertThat(waiting).as("one of the two gave way").hasSize(1);

        fleet.run(60);
        assertThat(fleet.workerOf("s2").sessions.get("s2").nextChunk)
                .as("never made to wait")
                .isGreaterThan(100);

        fleet.loop.unwant("s2", "Deleted");
        fleet.run(1);
        assertThat(fleet.workers.values().iterator().next().sessions.values())
                .hasSize(2)
                .allSatisfy(
                        h ->
                                assertThat(h.state)
                                        .isEqualTo(
                                                io.reelfleet.api.session.v1.SessionState
                                                        .SESSION_STATE_RUNNING));
    }

    @Test
    void aLatencyClassHasAPriorityWhereNoPriorityClassIsNamed() {
        TestFleet fleet = fleet(1, 1, 1);
        open(fleet, "", "", 1);
        fleet.run(5);
        open(fleet, "", "paid", 1);
        fleet.run(1);
        assertThat(fleet.workerOf("s1").commands).contains("suspend s0 1", "admit s1 1");
    }

    @Test
    void aHeavySessionAmongLightOnesHasItsTurnsToo() {
        TestFleet fleet = fleet(4, 1, 1);
        open(fleet, "", "", 5);
        open(fleet, "", "hd", 1);
        fleet.run(400);
        TestFleet.Worker worker = fleet.workers.values().iterator().next();
        assertThat(worker.sessions.keySet()).hasSize(6);
        assertThat(worker.sessions.values())
                .as("nobody goes without")
                .allSatisfy(h -> assertThat(h.nextChunk).isGreaterThan(150));
    }

    @Test
    void whoWaitsGoesByPriorityAndNotByAge() {
        TestFleet fleet = fleet(1, 1, 1);
        fleet.priorityClasses.put("paying", 1_000);
        open(fleet, "paying", "", 1);
        open(fleet, "", "", 1);
        open(fleet, "paying", "", 1);
        fleet.run(5);
        fleet.loop.unwant("s0", "Deleted");
        fleet.run(1);
        assertThat(fleet.session("s2").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.QUEUED);
    }

    @Test
    void anUnknownLatencyClassIsRefusedInASentence() {
        TestFleet fleet = fleet(1, 1, 1);
        assertThat(SessionClass.refusal(fleet.pool, "hd")).isEmpty();
        assertThat(SessionClass.refusal(fleet.pool, "")).isEmpty();
        assertThat(SessionClass.refusal(fleet.pool, "8k"))
                .hasValue(
                        "spec.latencyClass: the GPUPool default/demo has no latency class 8k;"
                                + " write one of: hd, wall, paid");
        assertThat(
                        SessionClass.refusal(
                                TestFleet.pool(
                                        io.reelfleet.scheduler.PoolSettings.Mode.REACTIVE, 1, 0, 1),
                                "8k"))
                .hasValue(
                        "spec.latencyClass: the GPUPool default/demo has no latency class 8k;"
                                + " leave it out, or add it to the pool's spec.latency.classes");
    }
}
