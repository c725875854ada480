package io.reelfleet.operator.fleet;

import static io.reelfleet.operator.fleet.TestFleet.wish;
import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.reelfleet.api.runtime.v1.UnendedLog;
import io.reelfleet.api.runtime.v1.WorkerPhase;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.operator.fleet.SessionView.Phase;
import io.reelfleet.scheduler.PoolSettings;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The fleet loop in virtual time, over workers that follow the protocol. */
final class FleetLoopTest {

    @Test
    void aSessionGetsAWorkerAndRuns() {
        TestFleet fleet = new TestFleet(4, 0, 3);
        fleet.run(1);
        assertThat(fleet.workers).isEmpty();

        fleet.loop.want(wish("s1"));
        fleet.run(0.2);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.QUEUED);
        assertThat(fleet.workers).hasSize(1);

        fleet.run(4);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").epoch()).isEqualTo(1);
        assertThat(fleet.loop.view().totals().chunksGenerated()).isPositive();
        assertThat(fleet.loop.view().latency().p99()).isEqualTo(0.5);
    }

    @Test
    void sessionsSpreadOverWorkersAndTheRestWaitsItsTurn() {
        TestFleet fleet = new TestFleet(2, 0, 2);
        for (int i = 1; i <= 5; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(5);

        assertThat(fleet.workers.values())
                .allSatisfy(w -> assertThat(w.sessions).hasSize(2))
                .hasSize(2);
        assertThat(fleet.session("s5").phase()).isEqualTo(Phase.QUEUED);
        assertThat(fleet.session("s5").message()).contains("maximum of 2");
        assertThat(fleet.loop.view().limited()).isTrue();

        fleet.loop.unwant("s2", "Deleted");
        fleet.run(2);
        assertThat(fleet.session("s5").phase()).isEqualTo(Phase.RUNNING);
    }

    @Test
    void deletingASessionFreesItsWorkerAndEndsItsLog() {
        TestFleet fleet = new TestFleet(2, 1, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workerOf("s1");

        fleet.loop.unwant("s1", "Deleted");
        fleet.run(1);

        assertThat(worker.commands).contains("end s1 1");
        assertThat(worker.sessions).isEmpty();
        assertThat(fleet.loop.view().sessions()).isEmpty();
    }

    @Test
    void workersGoOnlyAfterTheDownDelayAndTheirSessionsMoveFirst() {
        TestFleet fleet = new TestFleet(2, 1, 3);
        for (int i = 1; i <= 6; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(5);
        assertThat(fleet.workers).hasSize(3);

        for (int i = 3; i <= 6; i++) {
            fleet.loop.unwant("s" + i, "Deleted");
        }
        fleet.run(8);
        assertThat(fleet.workers).as("inside the down delay").hasSize(3);

        fleet.run(8);
        assertThat(fleet.workers).hasSize(1);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s2").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").moves() + fleet.session("s2").moves()).isEqualTo(1);
        assertThat(fleet.loop.view().totals().migrations()).isEqualTo(1);
    }

    @Test
    void aPoolThatPaysByTheNodeGivesWholeNodesBack() {
        TestFleet fleet = new TestFleet(1, 0, 4);
        fleet.payByNode();
        fleet.moving = TestFleet.Moving.WORKS;
        for (int i = 1; i <= 4; i++) {
            fleet.loop.want(wish("s" + i));
        }
        fleet.run(1);
        List<TestFleet.Worker> workers = List.copyOf(fleet.workers.values());
        for (int i = 0; i < 4; i++) {
            workers.get(i).node = i < 2 ? "n1" : "n2";
        }
        fleet.run(5);

        // One session of each node goes: no single worker can be saved, but a node can.
        fleet.loop.unwant(workers.get(0).sessions.keySet().iterator().next(), "Deleted");
        fleet.run(15);
        assertThat(fleet.workers).as("half a node costs as much as a whole one").hasSize(4);
        fleet.loop.unwant(workers.get(2).sessions.keySet().iterator().next(), "Deleted");
        fleet.run(20);
        assertThat(fleet.workers).hasSize(2);
        assertThat(fleet.workers.values().stream().map(w -> w.node).distinct()).hasSize(1);
    }

    @Test
    void aLostWorkersSessionsGoOnElsewhereWithTheNextEpoch() {
        TestFleet fleet = new TestFleet(2, 1, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        String first = fleet.session("s1").worker();

        fleet.kill(first);
        fleet.run(6);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").worker()).isNotEqualTo(first);
        assertThat(fleet.session("s1").epoch()).isEqualTo(2);
        assertThat(fleet.occurrences).anyMatch(o -> o.warning() && o.reason().equals("WorkerLost"));
    }

    @Test
    void aSessionWhoseWorkerEndsWhileItIsMovedAwayGoesOnElsewhere() {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        TestFleet.Worker first = fleet.workerOf("s1");
        first.terminating = true;
        first.mute = true;
        fleet.run(2);
        assertThat(fleet.session("s1").worker()).as("not let go yet").isEqualTo(first.name);

        fleet.kill(first.name);
        fleet.run(6);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").worker()).isNotEmpty().isNotEqualTo(first.name);
        assertThat(fleet.session("s1").epoch()).isEqualTo(2);
    }

    @Test
    void aSilentWorkersSessionsAreFrozenThenFenced() {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        String first = fleet.session("s1").worker();
        fleet.workers.get(first).mute = true;

        fleet.run(5);
        assertThat(fleet.loop.view().workers())
                .anyMatch(w -> w.name().equals(first) && w.phase().equals("Unknown"));
        assertThat(fleet.session("s1").worker()).as("frozen").isEqualTo(first);
        assertThat(fleet.loop.view().problem().reason()).isEqualTo("WorkerSilent");

        fleet.run(15);
        assertThat(fleet.session("s1").worker()).isNotEqualTo(first).isNotEmpty();
        assertThat(fleet.session("s1").epoch()).isEqualTo(2);
        assertThat(fleet.stopped).contains(first);
    }

    @Test
    void aSessionThatComesToANewLeaderWaitsForNoSilentWorkerBeyondTheBarrier() {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.loop.want(wish("s1"));
        fleet.loop.want(wish("s2"));
        fleet.run(5);
        String silent = fleet.session("s1").worker();
        String other = fleet.session("s2").worker();
        fleet.workers.get(silent).mute = true;
        fleet.restart(2, wish("s1"), wish("s2"));
        fleet.run(1);
        SessionWish plain = wish("new");
        fleet.loop.want(
                new SessionWish(
                        plain.spec(),
                        true,
                        plain.source(),
                        plain.requestId(),
                        fleet.clock.instant(),
                        0));
        fleet.run(5);

        assertThat(fleet.session("new").worker()).isEqualTo(other);
        assertThat(fleet.session("s1").worker()).as("who may be there waits").isEmpty();
        assertThat(fleet.session("s2").worker()).isEqualTo(other);

        fleet.workers.get(silent).mute = false;
        fleet.run(2);
        assertThat(fleet.session("s1").worker()).isEqualTo(silent);
        assertThat(fleet.session("s1").epoch()).isEqualTo(1);
    }

    @Test
    void aChangedRetentionReachesWorkersThatRun() {
        TestFleet fleet = new TestFleet(2, 1, 1);
        fleet.spec("scaling: {maxGpus: 1}\nretention: {afterFinished: 24h}");
        fleet.run(5);
        TestFleet.Worker worker = fleet.workers.values().iterator().next();
        assertThat(worker.kept).hasSize(1);

        fleet.spec("scaling: {maxGpus: 1}\nretention: {afterFinished: 90m, liveChunks: 40}");
        fleet.run(10);
        assertThat(worker.kept).as("once").hasSize(2);
        assertThat(worker.kept.getLast().getAfterFinished().getSeconds()).isEqualTo(5400);
        assertThat(worker.kept.getLast().getLiveChunks()).isEqualTo(40);

        fleet.spec("scaling: {maxGpus: 1}\nretention: {afterFinished: 90m}");
        fleet.run(2);
        assertThat(worker.kept.getLast().hasLiveChunks()).isTrue();
        assertThat(worker.kept.getLast().getLiveChunks()).as("all of them again").isZero();
    }

    @Test
    void aLogThatNobodyWantsIsEndedAndOneOfASuspendedSessionIsNot() {
        TestFleet fleet = new TestFleet(2, 1, 1);
        fleet.loop.want(wish("suspended", false));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workers.values().iterator().next();
        UnendedLog deleted = UnendedLog.newBuilder().setSessionUid("deleted").setEpoch(3).build();
        worker.unended.add(deleted);
        worker.unended.add(UnendedLog.newBuilder().setSessionUid("suspended").setEpoch(1).build());
        fleet.run(60);
        assertThat(worker.kept).as("a new leader may not know of everybody").isEmpty();

        fleet.run(60);
        assertThat(worker.kept)
                .singleElement()
                .satisfies(k -> assertThat(k.getAbandonedList()).containsExactly(deleted));
    }

    @Test
    void anEpochIsReadOutOfASentenceWhoseNamesHaveNumbers() {
        assertThat(
                        WorkerProblems.epochIn(
                                "STALE_EPOCH session fault-5eb7692d: epoch 1 is over, epoch 3 belongs to shapes-4krbz"))
                .isEqualTo(3);
        assertThat(
                        WorkerProblems.epochIn(
                                "STALE_EPOCH session 20261128 is here with epoch 4, not 2"))
                .isEqualTo(4);
        assertThat(WorkerProblems.epochIn("STALE_EPOCH")).isZero();
    }

    @Test
    void aWorkerThatSpeaksAgainInTimeKeepsItsSessions() {
        TestFleet fleet = new TestFleet(2, 1, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workerOf("s1");
        worker.mute = true;
        fleet.run(6);
        worker.mute = false;
        fleet.run(15);

        assertThat(fleet.session("s1").worker()).isEqualTo(worker.name);
        assertThat(fleet.session("s1").epoch()).isEqualTo(1);
    }

    @Test
    void anOperatorThatWasStoppedItselfTakesNobodyForSilent() throws Exception {
        TestFleet fleet = new TestFleet(2, 2, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workerOf("s1");

        // What the workers said meanwhile has not been read when the loop wakes.
        fleet.clock.millis += 60_000;
        fleet.loop.step(0);
        fleet.run(20);

        assertThat(fleet.stopped).isEmpty();
        assertThat(fleet.session("s1").worker()).isEqualTo(worker.name);
        assertThat(fleet.session("s1").epoch()).isEqualTo(1);
    }

    @Test
    void aNewLeaderAdoptsWhatRunsAndMovesNothing() {
        TestFleet fleet = new TestFleet(2, 0, 3);
        fleet.loop.want(wish("s1"));
        fleet.loop.want(wish("s2"));
        fleet.loop.want(wish("s3"));
        fleet.run(6);
        Set<String> workers = new HashSet<>(fleet.workers.keySet());
        fleet.workers.values().forEach(w -> w.commands.clear());

        fleet.restart(2, wish("s1"), wish("s2"), wish("s3"));
        fleet.run(8);

        assertThat(fleet.workers.keySet()).isEqualTo(workers);
        assertThat(fleet.workers.values()).allSatisfy(w -> assertThat(w.commands).isEmpty());
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.session("s1").epoch()).isEqualTo(1);
    }

    @Test
    void aSessionDeletedWhileNoOperatorRanIsReleased() {
        TestFleet fleet = new TestFleet(2, 0, 3);
        fleet.loop.want(wish("s1"));
        fleet.loop.want(wish("s2"));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workerOf("s1");

        fleet.restart(2, wish("s2"));
        fleet.run(3);

        assertThat(worker.commands).contains("end s1 1");
        assertThat(worker.sessions.keySet()).containsExactly("s2");
    }

    @Test
    void aSessionWhoseWorkerDiedWhileNoOperatorRanIsRecovered() {
        TestFleet fleet = new TestFleet(2, 0, 3);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        fleet.kill(fleet.session("s1").worker());

        fleet.restart(2, wish("s1"));
        fleet.run(6);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        // The loop began at epoch 0 and learned from the worker's refusal that the log is at 1.
        assertThat(fleet.session("s1").epoch()).isEqualTo(2);
    }

    @Test
    void aNewLeaderWaitsForASilentWorkerBeforeItPlacesWhatThatMayHave() {
        TestFleet fleet = new TestFleet(2, 2, 3);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workerOf("s1");
        worker.mute = true;

        fleet.restart(2, wish("s1"));
        fleet.run(8);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.QUEUED);
        assertThat(fleet.session("s1").worker()).isEmpty();

        worker.mute = false;
        fleet.run(2);
        assertThat(fleet.session("s1").worker()).isEqualTo(worker.name);
        assertThat(fleet.session("s1").epoch()).isEqualTo(1);
    }

    @Test
    void suspendedMeansOffTheDeviceAndActiveMeansBack() {
        TestFleet fleet = new TestFleet(2, 1, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);

        fleet.loop.want(wish("s1", false));
        fleet.run(1);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.SUSPENDED);
        assertThat(fleet.workerOf("s1").commands).contains("suspend s1 1");

        fleet.loop.want(wish("s1", true));
        fleet.run(1);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
        assertThat(fleet.loop.view().totals().suspends()).isEqualTo(1);
        assertThat(fleet.loop.view().totals().resumes()).isEqualTo(1);
    }

    @Test
    void anIdleSessionLeavesTheDeviceAfterThePoolsTimeOut() {
        TestFleet fleet = new TestFleet(2, 1, 2);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        TestFleet.Worker worker = fleet.workerOf("s1");
        worker.sessions.get("s1").active = false;

        fleet.run(20);
        assertThat(worker.commands).noneMatch(c -> c.startsWith("suspend"));
        fleet.run(15);
        assertThat(worker.commands).contains("suspend s1 1");

        worker.sessions.get("s1").active = true;
        fleet.run(2);
        assertThat(worker.commands).contains("resume s1 1");
    }

    @Test
    void aSessionUnderWhichWorkersDieIsQuarantinedAndTheRestLivesOn() {
        TestFleet fleet = new TestFleet(4, 0, 3);
        fleet.nextIsFatal = true;
        fleet.loop.want(wish("killer"));
        fleet.run(40);

        assertThat(fleet.session("killer").phase()).isEqualTo(Phase.FAILED);
        assertThat(fleet.session("killer").reason()).isEqualTo("Quarantined");
        assertThat(fleet.session("killer").message()).contains("3 workers in a row died");

        fleet.nextIsFatal = false;
        fleet.loop.want(wish("s1"));
        fleet.run(8);
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
    }

    @Test
    void whatAWorkerRefusesForGoodFailsWithItsSentence() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.run(4);
        fleet.workers.values().iterator().next().refusal =
                Status.INVALID_ARGUMENT.withDescription(
                        "spec.prompt: it has 900 tokens; write at most 512");
        fleet.loop.want(wish("s1"));
        fleet.run(1);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.FAILED);
        assertThat(fleet.session("s1").message())
                .isEqualTo("spec.prompt: it has 900 tokens; write at most 512");
    }

    @Test
    void anUnansweredCommandIsRepeatedWithItsRequestId() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.run(4);
        TestFleet.Worker worker = fleet.workers.values().iterator().next();
        worker.refusal = Status.UNAVAILABLE;
        fleet.loop.want(wish("s1"));
        fleet.run(2);

        assertThat(worker.commands).containsExactly("admit s1 1", "admit s1 1");
        assertThat(worker.requestIds.get(0)).isEqualTo(worker.requestIds.get(1));
        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
    }

    @Test
    void aFullWorkerIsNotTheEndOfASession() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.run(4);
        fleet.workers.values().iterator().next().refusal =
                Status.RESOURCE_EXHAUSTED.withDescription("no memory");
        fleet.loop.want(wish("s1"));
        fleet.run(3);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.RUNNING);
    }

    @Test
    void aHigherTermEndsThisLeader() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.run(4);
        fleet.workers.values().iterator().next().highestTerm = 7;
        fleet.loop.want(wish("s1"));
        fleet.run(1);

        assertThat(fleet.deposed).isTrue();
    }

    @Test
    void whatIsWrongWithAModelIsThePoolsProblemAndTriedAgain() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.run(0.3);
        TestFleet.Worker worker = fleet.workers.values().iterator().next();
        worker.phase = WorkerPhase.WORKER_PHASE_FAILED;
        worker.message = "model file:/m: transformer/model-00002.safetensors is missing";
        fleet.run(1);

        assertThat(fleet.loop.view().problem())
                .isEqualTo(
                        new PoolView.Problem(
                                "ModelInvalid",
                                "model file:/m: transformer/model-00002.safetensors is missing"));
        fleet.run(8);
        assertThat(fleet.stopped).contains(worker.name);
        assertThat(fleet.loop.view().workersReady()).isEqualTo(1);
        assertThat(fleet.loop.view().problem()).isNull();
    }

    @Test
    void aWorkerThatCannotBeStartedIsTriedAgainAndSaysWhy() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.startProblem = "there is no worker program";
        fleet.run(10);
        assertThat(fleet.loop.view().problem().message()).isEqualTo("there is no worker program");
        assertThat(fleet.occurrences.stream().filter(o -> o.reason().equals("WorkersFail")).count())
                .isBetween(2L, 6L);

        fleet.startProblem = null;
        fleet.run(30);
        assertThat(fleet.loop.view().workersReady()).isEqualTo(1);
    }

    @Test
    void aChangedPromptReachesTheWorkerOnce() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        SessionWish before = wish("s1");
        SessionSpec spec =
                before.spec().toBuilder()
                        .setControls(
                                0, Control.newBuilder().setKind("prompt").setText("a blue square"))
                        .build();
        fleet.loop.want(before.with(spec, true));
        fleet.run(3);

        assertThat(fleet.workerOf("s1").commands.stream().filter(c -> c.startsWith("update")))
                .hasSize(1);
        assertThat(fleet.workerOf("s1").sessions.get("s1").spec).isEqualTo(spec);
    }

    @Test
    void aCompletedSessionLeavesItsWorkerAndStaysReadable() {
        TestFleet fleet = new TestFleet(4, 1, 3);
        SessionWish wish = wish("s1");
        fleet.loop.want(wish.with(wish.spec().toBuilder().setMaxChunks(3).build(), true));
        fleet.run(8);

        assertThat(fleet.session("s1").phase()).isEqualTo(Phase.COMPLETED);
        assertThat(fleet.workers.values()).allSatisfy(w -> assertThat(w.sessions).isEmpty());
    }

    @Test
    void manualMeansAsManyWorkersAsWereAskedFor() {
        TestFleet fleet = new TestFleet(PoolSettings.Mode.MANUAL, 4, 2, 8);
        fleet.run(4);
        assertThat(fleet.workers).hasSize(2);
    }

    @Test
    void workerSecondsRunFromRequestToRelease() {
        TestFleet fleet = new TestFleet(4, 0, 3);
        fleet.loop.want(wish("s1"));
        fleet.run(5);
        fleet.loop.unwant("s1", "Deleted");
        fleet.run(20);
        assertThat(fleet.workers).isEmpty();
        double seconds = fleet.loop.view().totals().workerSeconds();
        // Up for 5 s of use and 10 s of down delay.
        assertThat(seconds).isBetween(14.0, 16.0);
        fleet.run(5);
        assertThat(fleet.loop.view().totals().workerSeconds()).isEqualTo(seconds);
    }

    @Test
    void noSessionIsOnTwoWorkersWhateverHappens() {
        TestFleet fleet = new TestFleet(2, 0, 4);
        java.util.Random random = new java.util.Random(7);
        List<String> uids = java.util.stream.IntStream.range(0, 8).mapToObj(i -> "s" + i).toList();
        for (int i = 0; i < 400; i++) {
            String uid = uids.get(random.nextInt(uids.size()));
            List<String> names = List.copyOf(fleet.workers.keySet());
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> fleet.loop.want(wish(uid, random.nextBoolean()));
                case 3 -> fleet.loop.unwant(uid, "Deleted");
                case 4 -> {
                    if (!names.isEmpty() && random.nextInt(3) == 0) {
                        fleet.kill(names.get(random.nextInt(names.size())));
                    }
                }
                default -> fleet.run(random.nextDouble() * 2);
            }
            Set<String> running = new HashSet<>();
            fleet.workers
                    .values()
                    .forEach(
                            w ->
                                    w.sessions.forEach(
                                            (s, held) ->
                                                    assertThat(
                                                                    running.add(s)
                                                                            || held.epoch
                                                                                    < fleet.log.get(
                                                                                            s))
                                                            .as("%s at %s", s, w.name)
                                                            .isTrue()));
        }
        fleet.run(60);
        fleet.loop
                .view()
                .sessions()
                .values()
                .forEach(
                        s -> {
                            if (s.wish().active() && s.phase() != Phase.FAILED) {
                                assertThat(s.phase()).as(s.uid()).isEqualTo(Phase.RUNNING);
                            }
                        });
    }
}
