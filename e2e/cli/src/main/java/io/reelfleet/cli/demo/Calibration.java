package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.OpenSessionRequest;
import io.reelfleet.api.allocator.v1.OpenSessionResponse;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.demo.SessionRecording.StoredChunk;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How long one chunk takes when all workers are busy, and so how many sessions one worker carries.
 *
 * @param chunkInterval seconds of video in one chunk
 * @param chunkTime seconds from one stored chunk to the next of a session that has its worker to
 *     itself, median
 * @param capacity C
 */
record Calibration(double chunkInterval, double chunkTime, int capacity) {
    /**
     * Sessions in turn on one worker fill at most this share of its time: the rest is for what else
     * the machine does.
     */
    static final double MARGIN = 0.7;

    private static final int CHUNKS = 7;
    private static final int WARM_UP = 2;
    private static final Duration LIMIT = Duration.ofSeconds(120);

    /** C from the two times. */
    static Calibration of(double chunkInterval, double chunkTime) {
        return new Calibration(
                chunkInterval,
                chunkTime,
                (int) Math.max(1, Math.floor(MARGIN * chunkInterval / chunkTime)));
    }

    /**
     * Lets every worker of a fleet in mode Manual generate one session as fast as it can.
     *
     * @param workers how many it has
     */
    static Calibration measure(LocalFleet fleet, int workers, long seed)
            throws InterruptedException {
        Allocator allocator = fleet.allocator();
        Prompts prompts = new Prompts(seed);
        FleetWait.until(
                fleet,
                LIMIT,
                "the " + workers + " workers did not become ready",
                () -> FleetWait.pool(allocator).getWorkersReady() >= workers);
        List<SessionRecording> recordings = new ArrayList<>();
        for (int i = 0; i < workers; i++) {
            SessionSpec spec =
                    SessionSpec.newBuilder()
                            .setName("calibration-" + i)
                            .setNamespace("default")
                            .setPool(PoolDocument.NAME)
                            .setSeed(seed + i)
                            .setPacing(Pacing.PACING_UNPACED)
                            .addControls(
                                    Control.newBuilder().setKind("prompt").setText(prompts.next()))
                            .build();
            OpenSessionResponse opened =
                    allocator.open(
                            OpenSessionRequest.newBuilder()
                                    .setSpec(spec)
                                    .setRequestId("calibration-" + i)
                                    .build());
            recordings.add(
                    new SessionRecording(
                            fleet.folder().store(), opened.getSession().getSpec().getUid()));
        }
        FleetWait.until(
                fleet,
                LIMIT,
                "the workers generated no " + CHUNKS + " chunks each",
                () -> {
                    allocator.sessions().getSessionsList().stream()
                            .filter(s -> s.getPhase().equals("Failed"))
                            .findFirst()
                            .ifPresent(
                                    s -> {
                                        throw new Failure(
                                                "no session can be generated here: "
                                                        + s.getMessage()
                                                        + fleet.workersLastWords());
                                    });
                    return recordings.stream().allMatch(r -> r.readOn().chunks().size() >= CHUNKS);
                });
        List<Double> gaps = new ArrayList<>();
        double interval = 0;
        for (SessionRecording recording : recordings) {
            List<StoredChunk> chunks = recording.chunks();
            for (int k = WARM_UP; k < CHUNKS; k++) {
                StoredChunk chunk = chunks.get(k);
                gaps.add(
                        Duration.between(chunks.get(k - 1).storedAt(), chunk.storedAt()).toNanos()
                                / 1e9);
                interval = chunk.frames() / chunk.fps();
            }
        }
        double[] sorted = gaps.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        double median = sorted[sorted.length / 2];
        if (!(median > 0) || !(interval > 0)) {
            throw new Failure(
                    "the session logs hold no usable times: chunk interval "
                            + interval
                            + ", time "
                            + median);
        }
        return of(interval, median);
    }
}
