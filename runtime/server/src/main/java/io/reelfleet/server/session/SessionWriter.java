package io.reelfleet.server.session;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.MediaSegment;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.log.v1.Rewind;
import io.reelfleet.api.log.v1.Tensor;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Origin;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.LatentTensor;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.StoredChunk;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.FencedException;
import io.reelfleet.migration.LogCorruptException;
import io.reelfleet.migration.SessionLog;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.UnknownChunkException;
import io.reelfleet.server.media.EncodedSegment;
import io.reelfleet.server.media.SegmentEncoder;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One session's way into its log, on a thread of its own, so that a slow store holds up neither the
 * engine nor other sessions. Tasks run one after the other in the order they were given.
 */
final class SessionWriter implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SessionWriter.class);
    private static final Duration FIRST_RETRY = Duration.ofMillis(100);
    private static final Duration LONGEST_RETRY = Duration.ofSeconds(5);

    private final ChunkStore store;
    private final String uid;
    private final Clock clock;
    private final ExecutorService thread;
    private SessionLog log;
    private volatile boolean stopped;
    private volatile boolean once;

    /** A chunk was given up: those after it have no place. Of the writer's thread alone. */
    private boolean gaveUp;

    SessionWriter(ChunkStore store, String uid, Clock clock) {
        this.store = store;
        this.uid = uid;
        this.clock = clock;
        this.thread =
                Executors.newSingleThreadExecutor(Thread.ofVirtual().name("log-" + uid).factory());
    }

    /**
     * What the log held when it was taken over.
     *
     * @param nextChunk the first chunk this owner writes
     * @param previousSpec the spec of the owner before, if there was one
     * @param newest the controls in force where it goes on
     * @param inherited those are of the session that this one is a fork of
     * @param place where the next chunk stands
     * @param end the End entry; nothing can be generated then
     */
    record Taken(
            long nextChunk,
            Optional<SessionSpec> previousSpec,
            List<Control> newest,
            boolean inherited,
            Place place,
            Optional<End> end) {}

    /**
     * Where the next chunk stands in the video.
     *
     * @param number its number in the log
     * @param position what the engine counts
     * @param firstFrame number of its first video frame in the log
     */
    record Place(long number, long position, long firstFrame) {}

    /**
     * A chunk on its way: what was generated, its number in the log, that of its first video frame,
     * what was in force, and since when it was due.
     */
    record Pending(
            GeneratedChunk generated,
            long number,
            long firstFrame,
            List<Control> controls,
            Instant due) {}

    /**
     * Where a rewind led.
     *
     * @param done false when it had been done before: nothing has changed
     * @param inForce controls in force at the chunk that is generated again
     */
    record Rewound(boolean done, Place place, List<Control> inForce) {}

    /** What became of an append. */
    interface Outcome {
        void stored(LogEntry entry, double generateSeconds, boolean retried);

        void retrying(StoreException e);

        void fenced(FencedException e);

        void failed(Exception e);
    }

    /** Runs a task on this session's thread unless the writer was closed. */
    void run(Runnable task) {
        thread.execute(
                () -> {
                    if (!stopped) {
                        task.run();
                    }
                });
    }

    /**
     * On the writer's thread: opens the log and appends the Owner entry; of a new fork the Fork
     * entry before it.
     */
    Taken takeOver(long epoch, Owner owner, ModelDescription model)
            throws StoreException, FencedException, UnknownChunkException {
        log = SessionLog.open(store, uid, clock);
        Optional<SessionSpec> previous = log.newestOwner().map(e -> e.getOwner().getSpec());
        SessionSpec spec = owner.getSpec();
        if (spec.hasFrom() && previous.isEmpty()) {
            checkSource(spec, model);
            log.forkFrom(
                    spec.getFrom().getSessionUid(),
                    spec.getFrom().getChunk(),
                    spec.getNamespace(),
                    epoch);
        }
        log.takeOver(epoch, owner);
        Optional<Rewind> rewind = log.unfinishedRewind();
        List<Control> inForce = List.of();
        boolean inherited = false;
        if (rewind.isPresent()) {
            inForce = rewind.get().getControlsList();
        } else if (log.nextChunk() > 0) {
            inForce = log.chunk(log.nextChunk() - 1).getControlsList();
            inherited = spec.hasFrom() && log.nextChunk() == spec.getFrom().getChunk() + 1;
        }
        return new Taken(log.nextChunk(), previous, inForce, inherited, place(), log.end());
    }

    private Place place() throws StoreException {
        long frames = 0;
        if (log.nextChunk() > 0) {
            MediaSegment last = log.chunk(log.nextChunk() - 1).getMedia();
            frames = last.getFirstFrame() + last.getFrames();
        }
        return new Place(log.nextChunk(), log.nextPosition(), frames);
    }

    /** The prompt that a fork without one of its own goes on under. */
    static String promptOfFork(ChunkStore store, SessionSpec spec)
            throws StoreException, UnknownChunkException {
        SessionLogReader own = SessionLogReader.atEnd(store, spec.getUid());
        List<Chunk> newest = own.newestChunks(1);
        Chunk chunk =
                newest.isEmpty()
                        ? SessionLog.forkable(
                                store,
                                spec.getFrom().getSessionUid(),
                                spec.getFrom().getChunk(),
                                spec.getNamespace())
                        : newest.getFirst();
        return ControlTracks.prompt(chunk.getControlsList());
    }

    /** A fork goes on with pictures of the size and rate it begins with. */
    private void checkSource(SessionSpec spec, ModelDescription model)
            throws StoreException, UnknownChunkException {
        Origin from = spec.getFrom();
        MediaSegment media =
                SessionLog.forkable(
                                store, from.getSessionUid(), from.getChunk(), spec.getNamespace())
                        .getMedia();
        if (media.getWidth() != model.width()
                || media.getHeight() != model.height()
                || media.getFps() != model.fps()) {
            throw new Refusal(
                    Refusal.Kind.INVALID,
                    "spec.from.session: session %s is of %d x %d pixels at %s frames/s, this pool's model %s generates %d x %d at %d; fork it in a pool of its model"
                            .formatted(
                                    from.getSessionUid(),
                                    media.getWidth(),
                                    media.getHeight(),
                                    media.getFps(),
                                    model.name(),
                                    model.width(),
                                    model.height(),
                                    model.fps()));
        }
    }

    /**
     * On the writer's thread, behind all chunks on their way: the Rewind entry; tried until it is
     * stored, fenced, or this writer is closed.
     *
     * @param sent controls that begin with it
     */
    Rewound rewind(long chunk, List<Control> spec, List<Control> sent, String id)
            throws StoreException, FencedException, UnknownChunkException {
        Duration pause = FIRST_RETRY;
        while (true) {
            try {
                Optional<Chunk> again = log.find(chunk);
                List<Control> inForce = again.map(Chunk::getControlsList).orElse(List.of());
                long position = again.map(c -> chunk - c.getReplayed()).orElse(0L);
                ControlTracks tracks = new ControlTracks(spec);
                tracks.rewind(position, inForce);
                for (Control control : sent) {
                    tracks.send(control, position);
                }
                boolean done = log.rewind(chunk, tracks.inForce(position), id);
                return new Rewound(done, place(), inForce);
            } catch (LogCorruptException e) {
                throw e;
            } catch (StoreException e) {
                if (stopped || once) {
                    throw e;
                }
                pause = await(pause);
            }
        }
    }

    /**
     * On the writer's thread: lets go of chunks beyond the newest {@code live}; what the store
     * refuses is tried again with the next.
     *
     * @param wanted positions that generating goes on from
     */
    void trim(long live, List<Long> wanted) throws FencedException {
        try {
            long first = log.nextChunk() - live;
            if (first > 0) {
                Set<Long> kept = new HashSet<>();
                for (long position : wanted) {
                    kept.add(log.timeline().numberAt(position));
                }
                log.trim(first, kept);
            }
        } catch (StoreException e) {
            LOG.warn("session {}: old chunks stay for now: {}", uid, e.getMessage());
        }
    }

    /** On the writer's thread: reads the log as far as it goes, so that a commit finds it warm. */
    void open() throws StoreException {
        log = SessionLog.open(store, uid, clock);
    }

    /**
     * On the writer's thread, after {@link #open}: appends the Owner entry if {@code nextChunk} is
     * what the log goes on with.
     *
     * @return false when it is not
     */
    boolean takeOverAt(long epoch, Owner owner, long nextChunk)
            throws StoreException, FencedException {
        return log.takeOverAt(epoch, owner, nextChunk);
    }

    /**
     * On the writer's thread: stored chunks as the engine wants them, each with the prompt that its
     * keys and values were last made under: its own, or that of a later chunk that refreshed the
     * window.
     *
     * @param positions rising
     */
    List<StoredChunk> chunks(List<Long> positions) throws StoreException {
        List<StoredChunk> chunks = new ArrayList<>();
        Optional<String> refreshed = Optional.empty();
        for (long position : positions.reversed()) {
            Chunk chunk = log.chunkAt(position);
            List<Control> controls = chunk.getControlsList();
            String prompt = ControlTracks.prompt(controls);
            chunks.add(
                    new StoredChunk(
                            position, latents(chunk.getLatents()), refreshed.orElse(prompt)));
            if (refreshed.isEmpty() && ControlTracks.refreshes(controls, position)) {
                refreshed = Optional.of(prompt);
            }
        }
        return chunks.reversed();
    }

    /**
     * On the writer's thread: the End entry; tried until it is stored, fenced, or this writer is
     * closed.
     */
    void end(String reason, String message, Consumer<Exception> done) {
        Duration pause = FIRST_RETRY;
        while (!stopped) {
            try {
                if (!log.ended()) {
                    log.end(reason, message);
                }
                done.accept(null);
                return;
            } catch (LogCorruptException | FencedException e) {
                done.accept(e);
                return;
            } catch (StoreException e) {
                pause = await(pause);
            }
        }
        done.accept(new StoreException("the worker stopped before the End entry was stored"));
    }

    /**
     * On the writer's thread: encodes and appends a chunk; tried until it is stored, fenced, or
     * this writer is closed.
     */
    void append(
            Pending pending,
            SegmentEncoder encoder,
            ModelDescription model,
            Duration target,
            Outcome outcome) {
        GeneratedChunk generated = pending.generated();
        Chunk.Builder chunk;
        double generateSeconds;
        try {
            long started = System.nanoTime();
            chunk = encode(pending, encoder, model);
            generateSeconds =
                    generated.transformerSeconds()
                            + generated.decodeSeconds()
                            + (System.nanoTime() - started) / 1e9;
        } catch (RuntimeException e) {
            outcome.failed(e);
            return;
        }
        Duration pause = FIRST_RETRY;
        boolean retried = false;
        while (!stopped && !gaveUp) {
            try {
                Duration latency = Duration.between(pending.due(), clock.instant());
                chunk.setLatencyS(latency.toNanos() / 1e9)
                        .setGenerateS(generateSeconds)
                        .setLate(latency.compareTo(target) > 0);
                outcome.stored(log.append(chunk.build()), generateSeconds, retried);
                return;
            } catch (FencedException e) {
                outcome.fenced(e);
                return;
            } catch (LogCorruptException e) {
                outcome.failed(e);
                return;
            } catch (StoreException e) {
                if (stopped || once) {
                    gaveUp = true;
                    return;
                }
                outcome.retrying(e);
                retried = true;
                pause = await(pause);
            }
        }
    }

    /**
     * Ends the retries and forgets what was not yet written; the log holds what had been stored.
     */
    @Override
    public void close() {
        stopped = true;
        thread.shutdown();
    }

    /** Waits until everything given so far is done. */
    void drain(Duration atMost) throws InterruptedException {
        thread.shutdown();
        thread.awaitTermination(atMost.toMillis(), TimeUnit.MILLISECONDS);
        stopped = true;
    }

    /** From now on what the store refuses is given up. */
    void tryOnce() {
        once = true;
    }

    private Duration await(Duration pause) {
        Instant until = clock.instant().plus(pause);
        while (!stopped && !once && clock.instant().isBefore(until)) {
            try {
                Thread.sleep(Duration.ofMillis(50));
            } catch (InterruptedException e) {
                stopped = true;
            }
        }
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(LONGEST_RETRY) > 0 ? LONGEST_RETRY : twice;
    }

    private static Chunk.Builder encode(
            Pending pending, SegmentEncoder encoder, ModelDescription model) {
        GeneratedChunk generated = pending.generated();
        EncodedSegment segment =
                encoder.encode(
                        pending.number(),
                        pending.firstFrame(),
                        generated.frames().rgb(),
                        generated.frames().count());
        Tensor.Builder latents = Tensor.newBuilder().setDtype("F32");
        for (int size : generated.latents().shape()) {
            latents.addShape(size);
        }
        latents.setData(ByteString.copyFrom(generated.latents().float32LittleEndian()));
        return Chunk.newBuilder()
                .setChunk(pending.number())
                .setLatents(latents)
                .setFirstLatentFrame(generated.firstLatentFrame())
                .addAllControls(pending.controls())
                .setMedia(
                        MediaSegment.newBuilder()
                                .setCodec(segment.codec())
                                .setInit(ByteString.copyFrom(segment.init()))
                                .setFragment(ByteString.copyFrom(segment.fragment()))
                                .setFrames(generated.frames().count())
                                .setFirstFrame(pending.firstFrame())
                                .setFps(model.fps())
                                .setWidth(model.width())
                                .setHeight(model.height()));
    }

    private static LatentTensor latents(Tensor tensor) {
        int[] shape = tensor.getShapeList().stream().mapToInt(Math::toIntExact).toArray();
        return new LatentTensor(shape, tensor.getData().toByteArray());
    }
}
