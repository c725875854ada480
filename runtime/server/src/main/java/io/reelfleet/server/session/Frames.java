package io.reelfleet.server.session;

import io.reelfleet.engine.ModelDescription;

/** Where a chunk lies in its session's video. */
final class Frames {
    private Frames() {}

    /** Video frames of all chunks before the one at position {@code k}. */
    static long before(ModelDescription model, long k) {
        return k == 0 ? 0 : model.videoFrames(0) + (k - 1) * model.videoFrames(1);
    }

    /** Video frames of a session before its next chunk, those of chunks generated twice twice. */
    static long before(ModelDescription model, LiveSession session) {
        return before(model, session.position()) + session.framesReplayed;
    }

    /** Seconds of video of a session before its next chunk. */
    static double secondsBefore(ModelDescription model, LiveSession session) {
        return (double) before(model, session) / model.fps();
    }
}
