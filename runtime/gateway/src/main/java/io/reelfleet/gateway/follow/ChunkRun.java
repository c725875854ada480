package io.reelfleet.gateway.follow;

/**
 * Consecutive chunks in consecutive log entries that differ in nothing but their pictures: one
 * owner, one initialisation segment, equally many frames. A session is a handful of these however
 * long it is.
 *
 * @param log uid of the session whose log holds them: of a fork's first chunks another one
 * @param firstChunk number of the first chunk
 * @param chunks how many there are
 * @param firstEntry number of the log entry that holds the first
 * @param epoch of the owner that wrote them
 * @param firstFrame number in the session of the first chunk's first video frame
 * @param frames video frames in each chunk
 * @param fps frames per second
 * @param init name of the initialisation segment
 * @param codec as RFC 6381 has it
 */
public record ChunkRun(
        String log,
        long firstChunk,
        long chunks,
        long firstEntry,
        long epoch,
        long firstFrame,
        int frames,
        double fps,
        String init,
        String codec) {

    /** The first chunk number after this run. */
    public long endChunk() {
        return firstChunk + chunks;
    }

    /** Seconds of video in one chunk. */
    public double chunkSeconds() {
        return frames / fps;
    }

    /** Seconds of the session's video before chunk {@code k} of this run. */
    public double secondsBefore(long k) {
        return (firstFrame + (k - firstChunk) * frames) / fps;
    }

    long entryOf(long k) {
        return firstEntry + (k - firstChunk);
    }

    /** Whether {@code next} goes on where this run ends, in every respect. */
    boolean continues(ChunkRun next) {
        return next.log.equals(log)
                && next.firstChunk == endChunk()
                && next.firstEntry == firstEntry + chunks
                && next.epoch == epoch
                && next.frames == frames
                && Double.compare(next.fps, fps) == 0
                && next.firstFrame == firstFrame + chunks * frames
                && next.init.equals(init)
                && next.codec.equals(codec);
    }

    /** The part of it from chunk {@code first} on, which it holds. */
    ChunkRun from(long first) {
        long less = first - firstChunk;
        return new ChunkRun(
                log,
                first,
                chunks - less,
                firstEntry + less,
                epoch,
                firstFrame + less * frames,
                frames,
                fps,
                init,
                codec);
    }

    /** The part of it up to chunk {@code last}, which it holds. */
    ChunkRun upTo(long last) {
        return longer(last + 1 - endChunk());
    }

    ChunkRun longer(long more) {
        return new ChunkRun(
                log,
                firstChunk,
                chunks + more,
                firstEntry,
                epoch,
                firstFrame,
                frames,
                fps,
                init,
                codec);
    }
}
