package io.reelfleet.cli.demo;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.MediaSegment;
import io.reelfleet.cli.Failure;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * What one session's log holds. It can be read on while the session runs: {@link #readOn} takes
 * what has come since. Latents are skipped, media is kept apart per chunk.
 */
final class SessionRecording {
    private final Path folder;
    private final List<StoredChunk> chunks = new ArrayList<>();
    private long next;
    private int owners;
    private final List<Arrival> arrivals = new ArrayList<>();
    private String worker = "";
    private String end = "";

    /**
     * A chunk as it was stored.
     *
     * @param number k, from 0
     * @param worker that generated it
     * @param storedAt when its entry was written
     * @param latency seconds from when it was due until it was stored
     * @param generate seconds of it spent generating
     * @param late as the worker judged it
     * @param frames video frames
     * @param fps frames per second
     * @param width pixels
     * @param height pixels
     */
    record StoredChunk(
            long number,
            String worker,
            Instant storedAt,
            double latency,
            double generate,
            boolean late,
            int frames,
            double fps,
            int width,
            int height) {}

    /**
     * A worker took the session over by a move, with its state.
     *
     * @param move its id
     * @param nextChunk the first chunk stored after it
     */
    record Arrival(String move, int nextChunk) {}

    /**
     * A recording of which nothing has been read.
     *
     * @param store the chunk store's folder
     * @param uid the session's
     */
    SessionRecording(Path store, String uid) {
        this.folder = store.resolve("sessions").resolve(uid).resolve("log");
    }

    /** Reads the entries that have come since the last call. */
    SessionRecording readOn() {
        while (true) {
            LogEntry entry = read(next);
            if (entry == null) {
                return this;
            }
            switch (entry.getBodyCase()) {
                case OWNER -> {
                    owners++;
                    if (!entry.getOwner().getMove().isEmpty()) {
                        arrivals.add(new Arrival(entry.getOwner().getMove(), chunks.size()));
                    }
                    worker = entry.getOwner().getWorker();
                }
                case CHUNK -> {
                    Chunk chunk = entry.getChunk();
                    MediaSegment media = chunk.getMedia();
                    if (chunk.getChunk() != chunks.size()) {
                        throw new Failure(
                                folder
                                        + ": chunk "
                                        + chunk.getChunk()
                                        + " stands where chunk "
                                        + chunks.size()
                                        + " should");
                    }
                    chunks.add(
                            new StoredChunk(
                                    chunk.getChunk(),
                                    worker,
                                    instant(entry.getWrittenAt()),
                                    chunk.getLatencyS(),
                                    chunk.getGenerateS(),
                                    chunk.getLate(),
                                    media.getFrames(),
                                    media.getFps(),
                                    media.getWidth(),
                                    media.getHeight()));
                }
                case END -> end = entry.getEnd().getReason();
                case BODY_NOT_SET -> throw new Failure(folder + ": entry " + next + " is empty");
            }
            next++;
        }
    }

    /** All chunks read so far. */
    List<StoredChunk> chunks() {
        return List.copyOf(chunks);
    }

    /** The moves that its log has. */
    List<Arrival> arrivals() {
        return List.copyOf(arrivals);
    }

    /** How often the session went to another worker. */
    int moves() {
        return Math.max(0, owners - 1);
    }

    /** Why no chunk follows; empty while some may. */
    String end() {
        return end;
    }

    /** Video frames of all chunks. */
    long frames() {
        return chunks.stream().mapToLong(StoredChunk::frames).sum();
    }

    /** Seconds of video. */
    double seconds() {
        return chunks.stream().mapToDouble(c -> c.frames() / c.fps()).sum();
    }

    /**
     * The video: the initialisation segment and all fragments, one after the other, as the viewers
     * got them.
     */
    byte[] mp4() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] init = null;
        for (long n = 0; n < next; n++) {
            LogEntry entry = read(n);
            if (entry == null || !entry.hasChunk()) {
                continue;
            }
            MediaSegment media = entry.getChunk().getMedia();
            byte[] here = media.getInit().toByteArray();
            if (init == null) {
                init = here;
                out.writeBytes(init);
            } else if (!java.util.Arrays.equals(init, here)) {
                throw new Failure(
                        folder
                                + ": the encoder's settings changed at chunk "
                                + entry.getChunk().getChunk());
            }
            out.writeBytes(media.getFragment().toByteArray());
        }
        return out.toByteArray();
    }

    private LogEntry read(long n) {
        Path file = folder.resolve("%010d".formatted(n));
        try {
            return LogEntry.parseFrom(Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            return null;
        } catch (InvalidProtocolBufferException e) {
            throw new Failure(file + " is not an entry of a session log: " + e.getMessage(), e);
        } catch (IOException e) {
            throw new Failure(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    private static Instant instant(Timestamp t) {
        return Instant.ofEpochSecond(t.getSeconds(), t.getNanos());
    }
}
