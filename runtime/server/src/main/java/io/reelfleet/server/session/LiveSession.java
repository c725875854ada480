package io.reelfleet.server.session;

import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.api.runtime.v1.SessionReport;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.api.session.v1.SessionState;
import io.reelfleet.engine.VideoFrames;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A session on this worker. The loop's thread alone touches it, but for what is marked otherwise.
 */
final class LiveSession {
    /** Chunks that may be on their way into the log while the next is generated. */
    private static final int MOST_PENDING = 2;

    /** A viewer's controls that wait for their chunk. */
    record Sent(
            long chunk, CompletableFuture<Long> applied, List<String> kinds, Instant received) {}

    final String uid;
    final long epoch;
    final SessionWriter writer;

    /** Safe for use by many threads. */
    final ChunkFeed feed = new ChunkFeed();

    /** Completed on the loop's thread when the session has left LOADING for the first time. */
    final CompletableFuture<Void> loaded = new CompletableFuture<>();

    /** What reports say; written by the loop's thread, read by any. */
    volatile SessionReport report;

    SessionSpec spec;
    SessionState state = SessionState.SESSION_STATE_LOADING;
    ControlTracks controls;
    Pace pace;

    /**
     * Null while the session has no state in the engine: suspended beyond the host's limit, ended,
     * failed.
     */
    Generator generator;

    /** Checksums of its records, from the move by which it came. */
    Map<String, Record> checksums = Map.of();

    /** Who waits for the state that is on its way to the device; null where none is. */
    CompletableFuture<SessionLoop.Standing> resuming;

    /** Chunks that are being decoded and not handed on, oldest first. */
    final Deque<SessionLoop.Decoding> decoding = new ArrayDeque<>();

    /** Chunk numbers of the log. */
    long nextToGenerate;

    long nextStored;

    /** A chunk's number less its position in the video, which is what the engine counts. */
    long replayed;

    /** The same for video frames. */
    long framesReplayed;

    /** Stands still until the log says where it goes back to. */
    boolean rewinding;

    /** The picture that the video begins with, decoded; null where there is none. */
    VideoFrames firstFrame;

    /** The generator has been given it. */
    boolean firstFrameGiven;

    int pending;
    boolean inChunk;

    /** It is on its way to another worker. */
    boolean moving;

    /** It stands still for the last part of its move. */
    boolean frozen;

    Instant due;
    String prompt = "";
    String negativePrompt = "";

    /** Suspended by this worker for being idle, not by command; it comes back by itself. */
    boolean offloaded;

    boolean active;
    Instant lastActive;
    Instant suspendedAt;

    /** Chunks have been wanted since then, as the operator says; taken by the next start. */
    Optional<Instant> wantedSince = Optional.empty();

    Instant forgetAt;
    String lastError = "";
    final List<Sent> sent = new ArrayList<>();

    LiveSession(SessionSpec spec, long epoch, SessionWriter writer, Instant now) {
        this.uid = spec.getUid();
        this.spec = spec;
        this.epoch = epoch;
        this.writer = writer;
        this.controls = new ControlTracks(spec.getControlsList());
        this.lastActive = now;
        // Whoever reports before anything else is known names it at least.
        this.report =
                SessionReport.newBuilder().setSpec(spec).setEpoch(epoch).setState(state).build();
    }

    boolean is(SessionState other) {
        return state == other;
    }

    boolean over() {
        return is(SessionState.SESSION_STATE_COMPLETED) || is(SessionState.SESSION_STATE_FAILED);
    }

    /** Whether a step can be taken now, apart from when the chunk is due. */
    boolean canStep() {
        return is(SessionState.SESSION_STATE_RUNNING)
                && generator != null
                && !frozen
                && !rewinding
                && pending < MOST_PENDING;
    }

    /** The next chunk that has not begun. */
    long nextToBegin() {
        return inChunk ? nextToGenerate + 1 : nextToGenerate;
    }

    /** Where the next chunk stands in the video. */
    long position() {
        return nextToGenerate - replayed;
    }

    /** Where the next chunk that has not begun stands in the video. */
    long positionToBegin() {
        return nextToBegin() - replayed;
    }

    /** Answers those whose chunk is stored. */
    List<Sent> acknowledge(long storedChunk) {
        List<Sent> answered = new ArrayList<>();
        for (Iterator<Sent> i = sent.iterator(); i.hasNext(); ) {
            Sent control = i.next();
            if (control.chunk <= storedChunk) {
                control.applied.complete(control.chunk);
                answered.add(control);
                i.remove();
            }
        }
        return answered;
    }

    void closeGenerator() {
        if (generator != null) {
            generator.close();
            generator = null;
        }
        inChunk = false;
        firstFrameGiven = false;
    }
}
