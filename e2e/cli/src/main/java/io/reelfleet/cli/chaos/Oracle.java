package io.reelfleet.cli.chaos;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Tensor;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Judges one session by its log, chunk by chunk: gapless, each chunk once, one owner at a time, the
 * bits of an undisturbed session of the same prompt and seed, and what its viewer saw. After a
 * crash that came when frames had left the window the bits may go another way: from there on only
 * the numbers are held against it, and the seam is measured. A rewind into the first window brings
 * the undisturbed bits back, and a fork of it begins with them.
 *
 * @param chunks how many the session had to write
 * @param windowChunks so many chunks lie in the window before the first frames leave it
 */
public record Oracle(long chunks, long windowChunks) {

    /** What can be wrong. */
    public enum Kind {
        LOST,
        DOUBLED,
        ALTERED,
        /** Two owners, an entry after the end, an end that never came. */
        BROKEN
    }

    /** One thing that is wrong. */
    public record Violation(Kind kind, String sentence) {}

    /**
     * A continuation after a crash.
     *
     * @param chunk the first one of it
     * @param step mean absolute difference of its first latent frame and the one before it
     * @param usual the same, of the neighbouring frames in the mean
     */
    public record Seam(long chunk, double step, double usual) {}

    /**
     * What was found.
     *
     * @param violations nothing, as a rule
     * @param compared chunks held bit by bit against the undisturbed session
     * @param continued chunks of continuations, of which the numbers count alone
     * @param seen chunks that the viewer had
     * @param moves live moves
     * @param rebuilds takeovers that rebuilt the state from the log
     * @param rewinds how often it went back
     * @param forked whether it is a fork
     * @param seams of the continuations
     * @param longestWait most seconds between two chunks in the log
     */
    public record Finding(
            List<Violation> violations,
            long compared,
            long continued,
            long seen,
            int moves,
            int rebuilds,
            int rewinds,
            boolean forked,
            List<Seam> seams,
            double longestWait) {}

    /**
     * Judges.
     *
     * @param log all entries, as they lie in the store
     * @param undisturbed the latents, by chunk, of a session that nothing happened to
     * @param viewer what the viewer got, by chunk
     */
    public Finding judge(
            List<LogEntry> log, List<Tensor> undisturbed, Map<Long, ByteString> viewer) {
        List<Violation> wrong = new ArrayList<>();
        List<Seam> seams = new ArrayList<>();
        List<Chunk> stored = new ArrayList<>();
        long next = 0;
        long epoch = -1;
        long compared = 0;
        long continued = 0;
        long seen = 0;
        int moves = 0;
        int rebuilds = 0;
        int rewinds = 0;
        boolean forked = false;
        Map<Long, Long> positions = new HashMap<>();
        long replayed = 0;
        boolean exact = true;
        boolean ended = false;
        double longestWait = 0;
        double written = Double.NaN;
        long index = 0;
        for (LogEntry entry : log) {
            if (entry.getIndex() != index++) {
                wrong.add(
                        new Violation(
                                Kind.LOST,
                                "entry %d stands where entry %d should"
                                        .formatted(entry.getIndex(), index - 1)));
            }
            if (ended) {
                wrong.add(
                        new Violation(
                                Kind.BROKEN, "entry %d follows the end".formatted(index - 1)));
            }
            switch (entry.getBodyCase()) {
                case OWNER -> {
                    if (entry.getEpoch() <= epoch) {
                        wrong.add(
                                new Violation(
                                        Kind.BROKEN,
                                        "owner %s came with epoch %d after epoch %d"
                                                .formatted(
                                                        entry.getOwner().getWorker(),
                                                        entry.getEpoch(),
                                                        epoch)));
                    }
                    if (entry.getOwner().getNextChunk() != next) {
                        wrong.add(
                                new Violation(
                                        Kind.LOST,
                                        "owner %s goes on with chunk %d where chunk %d comes next"
                                                .formatted(
                                                        entry.getOwner().getWorker(),
                                                        entry.getOwner().getNextChunk(),
                                                        next)));
                    }
                    if (!entry.getOwner().getMove().isEmpty()) {
                        moves++;
                    } else if (epoch >= 0) {
                        rebuilds++;
                        if (next - replayed > windowChunks) {
                            exact = false;
                            seams.add(new Seam(next, Double.NaN, Double.NaN));
                        }
                    }
                    epoch = entry.getEpoch();
                }
                case CHUNK -> {
                    Chunk chunk = entry.getChunk();
                    long k = chunk.getChunk();
                    double now =
                            entry.getWrittenAt().getSeconds()
                                    + entry.getWrittenAt().getNanos() / 1e9;
                    longestWait = now - written > longestWait ? now - written : longestWait;
                    written = now;
                    if (entry.getEpoch() != epoch) {
                        wrong.add(
                                new Violation(
                                        Kind.BROKEN,
                                        "chunk %d was written under epoch %d while epoch %d owned the session"
                                                .formatted(k, entry.getEpoch(), epoch)));
                    }
                    if (k < next) {
                        wrong.add(
                                new Violation(
                                        Kind.DOUBLED, "chunk %d stands there twice".formatted(k)));
                    } else if (k > next) {
                        wrong.add(
                                new Violation(
                                        Kind.LOST,
                                        k - next == 1
                                                ? "chunk %d is missing".formatted(next)
                                                : "chunks %d to %d are missing"
                                                        .formatted(next, k - 1)));
                    }
                    next = Math.max(next, k + 1);
                    stored.add(chunk);
                    // After a rewind a chunk is held against the one at its place in the video.
                    long position = k - chunk.getReplayed();
                    if (chunk.getReplayed() != replayed && !(forked && positions.isEmpty())) {
                        wrong.add(
                                new Violation(
                                        Kind.BROKEN,
                                        "chunk %d stands at position %d where position %d comes next"
                                                .formatted(k, position, k - replayed)));
                    }
                    replayed = chunk.getReplayed();
                    positions.put(k, position);
                    if (exact && position < undisturbed.size()) {
                        compared++;
                        if (!undisturbed.get((int) position).equals(chunk.getLatents())) {
                            wrong.add(
                                    new Violation(
                                            Kind.ALTERED,
                                            "chunk %d has other bits than in the undisturbed session"
                                                    .formatted(k)));
                        }
                    } else {
                        continued++;
                    }
                    ByteString shown = viewer.get(k);
                    if (shown == null) {
                        wrong.add(
                                new Violation(
                                        Kind.LOST, "the viewer never got chunk %d".formatted(k)));
                    } else {
                        seen++;
                        if (!shown.equals(chunk.getMedia().getFragment())) {
                            wrong.add(
                                    new Violation(
                                            Kind.ALTERED,
                                            "the viewer saw another chunk %d than the log has"
                                                    .formatted(k)));
                        }
                    }
                }
                case END -> ended = true;
                // Its chunks up to there are in another session's log.
                case FORK -> {
                    next = entry.getFork().getChunk() + 1;
                    forked = true;
                }
                case REWIND -> {
                    if (entry.getRewind().getNextChunk() != next) {
                        wrong.add(
                                new Violation(
                                        Kind.LOST,
                                        "a rewind goes on with chunk %d where chunk %d comes next"
                                                .formatted(
                                                        entry.getRewind().getNextChunk(), next)));
                    }
                    rewinds++;
                    long to = entry.getRewind().getChunk();
                    // Of a fork the first ones are in the other session's log.
                    long position = positions.getOrDefault(to, to);
                    replayed = next - position;
                    exact = position <= windowChunks;
                    if (!exact) {
                        seams.add(new Seam(next, Double.NaN, Double.NaN));
                    }
                }
                case TRIM -> {}
                case BODY_NOT_SET ->
                        wrong.add(
                                new Violation(
                                        Kind.BROKEN, "entry %d is empty".formatted(index - 1)));
            }
        }
        if (!ended) {
            wrong.add(
                    new Violation(
                            Kind.BROKEN,
                            "it never ended; it stood at chunk %d of %d".formatted(next, chunks)));
        } else if (next != chunks) {
            wrong.add(
                    new Violation(
                            Kind.LOST, "it ended after %d of %d chunks".formatted(next, chunks)));
        }
        return new Finding(
                List.copyOf(wrong),
                compared,
                continued,
                seen,
                moves,
                rebuilds,
                rewinds,
                forked,
                seams.stream().map(s -> measured(s, stored)).toList(),
                longestWait);
    }

    /** In latents, frame by frame: the step over the seam beside the steps around it. */
    private static Seam measured(Seam seam, List<Chunk> chunks) {
        List<float[]> frames = new ArrayList<>();
        int at = -1;
        for (Chunk chunk : chunks) {
            if (chunk.getChunk() < seam.chunk() - 1 || chunk.getChunk() > seam.chunk()) {
                continue;
            }
            if (chunk.getChunk() == seam.chunk()) {
                at = frames.size();
            }
            frames.addAll(frames(chunk.getLatents()));
        }
        if (at <= 0 || at >= frames.size()) {
            return seam;
        }
        double sum = 0;
        int count = 0;
        for (int i = 1; i < frames.size(); i++) {
            if (i != at) {
                sum += difference(frames.get(i - 1), frames.get(i));
                count++;
            }
        }
        return new Seam(
                seam.chunk(),
                difference(frames.get(at - 1), frames.get(at)),
                count == 0 ? Double.NaN : sum / count);
    }

    private static List<float[]> frames(Tensor latents) {
        if (!latents.getDtype().equals("F32") || latents.getShapeCount() == 0) {
            return List.of();
        }
        FloatBuffer values =
                latents.getData()
                        .asReadOnlyByteBuffer()
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .asFloatBuffer();
        int count = Math.toIntExact(latents.getShape(0));
        List<float[]> frames = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            float[] frame = new float[values.capacity() / count];
            values.get(frame);
            frames.add(frame);
        }
        return frames;
    }

    private static double difference(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += Math.abs(a[i] - b[i]);
        }
        return sum / a.length;
    }
}
