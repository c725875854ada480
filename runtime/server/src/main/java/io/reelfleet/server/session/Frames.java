package io.reelfleet.server.session;

import io.reelfleet.engine.ModelDescription;

/** Where a chunk lies in its session's video. */
final class Frames {
    private Frames() {}

    /** Video frames of all chunks before chunk {@code k}. */
    static long before(ModelDescription model, long k) {
        return k == 0 ? 0 : model.videoFrames(0) + (k - 1) * model.videoFrames(1);
    }

    /** Seconds of video before chunk {@code k}. */
    static double secondsBefore(ModelDescription model, long k) {
        return (double) before(model, k) / model.fps();
    }
}
