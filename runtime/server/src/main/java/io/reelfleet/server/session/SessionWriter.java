package io.reelfleet.server.session;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.MediaSegment;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.log.v1.Tensor;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.LatentTensor;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.StoredChunk;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.FencedException;
import io.reelfleet.migration.LogCorruptException;
import io.reelfleet.migration.SessionLog;
import io.reelfleet.migration.StoreException;
import io.reelfleet.server.media.EncodedSegment;
import io.reelfleet.server.media.SegmentEncoder;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * One session's way into its log, on a thread of its own, so that a slow store holds up neither the
 * engine nor other sessions. Tasks run one after the other in the order they were given.
 */
final class SessionWriter implements AutoCloseable {
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
     * @param newest the newest chunk's controls
     * @param end the End entry; nothing can be generated then
     */
    record Taken(
            long nextChunk,
            Optional<SessionSpec> previousSpec,
            List<Control> newest,
            Optional<End> end) {}

    /** A chunk on its way: what was generated, what was in force, and since when it was due. */
    record Pending(GeneratedChunk generated, List<Control> controls, Instant due) {}

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

    /** On the writer's thread: opens the log and appends the Owner entry. */
    Taken takeOver(long epoch, Owner owner) throws StoreException, FencedException {
        log = SessionLog.open(store, uid, clock);
        Optional<SessionSpec> previous = log.newestOwner().map(e -> e.getOwner().getSpec());
        log.takeOver(epoch, owner);
        List<Chunk> newest = log.newestChunks(1);
        return new Taken(
                log.nextChunk(),
                previous,
                newest.isEmpty() ? List.of() : newest.getFirst().getControlsList(),
                log.end());
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

    /** On the writer's thread: stored chunks as the engine wants them. */
    List<StoredChunk> chunks(List<Long> numbers) throws StoreException {
        List<StoredChunk> chunks = new ArrayList<>();
        for (long number : numbers) {
            Chunk chunk = log.chunk(number);
            chunks.add(
                    new StoredChunk(
                            number,
                            latents(chunk.getLatents()),
                            ControlTracks.prompt(chunk.getControlsList())));
        }
        return chunks;
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
        long firstFrame = Frames.before(model, generated.chunk());
        EncodedSegment segment =
                encoder.encode(
                        generated.chunk(),
                        firstFrame,
                        generated.frames().rgb(),
                        generated.frames().count());
        Tensor.Builder latents = Tensor.newBuilder().setDtype("F32");
        for (int size : generated.latents().shape()) {
            latents.addShape(size);
        }
        latents.setData(ByteString.copyFrom(generated.latents().float32LittleEndian()));
        return Chunk.newBuilder()
                .setChunk(generated.chunk())
                .setLatents(latents)
                .setFirstLatentFrame(generated.firstLatentFrame())
                .addAllControls(pending.controls())
                .setMedia(
                        MediaSegment.newBuilder()
                                .setCodec(segment.codec())
                                .setInit(ByteString.copyFrom(segment.init()))
                                .setFragment(ByteString.copyFrom(segment.fragment()))
                                .setFrames(generated.frames().count())
                                .setFirstFrame(firstFrame)
                                .setFps(model.fps())
                                .setWidth(model.width())
                                .setHeight(model.height()));
    }

    private static LatentTensor latents(Tensor tensor) {
        int[] shape = tensor.getShapeList().stream().mapToInt(Math::toIntExact).toArray();
        return new LatentTensor(shape, tensor.getData().toByteArray());
    }
}
