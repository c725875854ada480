package io.reelfleet.server.session;

import io.reelfleet.api.migration.v1.Batch;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.migration.v1.Opening;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.api.migration.v1.Verdict;
import io.reelfleet.engine.SessionState;
import io.reelfleet.engine.StateRecord;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.WorkerState;
import io.reelfleet.migration.transport.Frames;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.TransferBuffer;
import io.reelfleet.migration.transport.TransportException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * The source's side of one move: a thread that asks the engine's thread for copies of what changed
 * and sends them, until so little is left that the session stands still for the rest.
 */
final class Outgoing {
    /** How long it waits before it asks again for what could not be had yet. */
    private static final Duration PAUSE = Duration.ofMillis(2);

    /** The target hears at least this often that the source is there. */
    private static final long SIGN_OF_LIFE_NANOS = 1_000_000_000L;

    /** Opens the link to the target. */
    interface Door {
        Link connect(Duration within) throws IOException;
    }

    final LiveSession session;
    final Move move;

    /** Where the protocol stands; the engine's thread alone touches it. */
    WorkerState state;

    /** Figures for the report; written by the sender's thread. */
    volatile long precopyBytes;

    volatile long restBytes;
    volatile long startedNanos = System.nanoTime();
    volatile long frozenNanos;
    volatile double pauseSeconds;
    volatile double seconds;

    private final Opening opening;
    private final Door door;
    private final MoveSettings settings;
    private final boolean withoutPrecopy;
    private final long bytesPerSecond;
    private final Map<String, Long> sent = new HashMap<>();
    private final Map<String, Record> checked = new HashMap<>();

    /** Of the engine's thread: something was copied. */
    private boolean begun;

    private volatile boolean cancelled;

    Outgoing(
            LiveSession session,
            Move move,
            WorkerState state,
            Opening opening,
            Door door,
            MoveSettings settings,
            boolean withoutPrecopy,
            long bytesPerSecond) {
        this.session = session;
        this.move = move;
        this.state = state;
        this.opening = opening;
        this.door = door;
        this.settings = settings;
        this.withoutPrecopy = withoutPrecopy;
        this.bytesPerSecond = bytesPerSecond;
    }

    /**
     * A copy of what changed since the last one.
     *
     * @param records in the order in which they lie in the buffer
     * @param manifest with it the state is whole; null while it is not
     * @param nothing nothing could be had: ask again
     */
    record Packed(
            List<StateRecord> records,
            long bytes,
            List<Long> cachedFrames,
            Manifest.Builder manifest,
            boolean nothing) {}

    /** What the thread asks and tells. */
    interface Listener {
        /** Runs on the engine's thread. */
        void post(Runnable task);

        /** On the engine's thread: the session stands still from now on, or may not. */
        boolean cut();

        /** On the engine's thread: everything else of the session that goes along. */
        Manifest.Builder manifest();

        void verdict(boolean committed, String sentence);

        void failed(String sentence);
    }

    void start(Listener listener) {
        Thread.ofPlatform().daemon().name("move-out-" + session.uid).start(() -> run(listener));
    }

    void cancel() {
        cancelled = true;
    }

    private void run(Listener listener) {
        try (Frames frames = new Frames(door.connect(settings.patience()));
                TransferBuffer one = new TransferBuffer(opening.getBufferBytes());
                TransferBuffer small = new TransferBuffer(64)) {
            frames.send(Frames.Kind.OPENING, opening, small, 0, settings.patience());
            send(frames, one, listener);
            Frames.Frame answer = frames.receive(small, settings.patience());
            if (answer.kind() != Frames.Kind.VERDICT) {
                throw new TransportException("the target answered out of turn");
            }
            Verdict verdict = Verdict.parseFrom(answer.message());
            pauseSeconds = (System.nanoTime() - frozenNanos) / 1e9;
            seconds = (System.nanoTime() - startedNanos) / 1e9;
            listener.verdict(verdict.getCommitted(), verdict.getSentence());
        } catch (IOException | RuntimeException e) {
            listener.failed(String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            listener.failed("interrupted");
        }
    }

    private void send(Frames frames, TransferBuffer buffer, Listener listener)
            throws IOException, InterruptedException {
        long heard = System.nanoTime();
        while (true) {
            Packed packed = onEngine(listener, () -> pack(buffer, listener));
            if (packed.nothing()) {
                if (System.nanoTime() - heard > SIGN_OF_LIFE_NANOS) {
                    frames.send(
                            Frames.Kind.BATCH,
                            Batch.newBuilder().addAllCachedFrames(packed.cachedFrames()).build(),
                            buffer,
                            0,
                            settings.patience());
                    heard = System.nanoTime();
                }
                Thread.sleep(PAUSE);
                continue;
            }
            long began = System.nanoTime();
            List<Record> records = new ArrayList<>();
            long at = 0;
            for (StateRecord record : packed.records()) {
                Record form =
                        MoveForms.record(
                                record,
                                Frames.checksum(buffer.memory().asSlice(at, record.bytes())));
                at += record.bytes();
                records.add(form);
                checked.put(record.name(), form);
            }
            if (frozenNanos == 0) {
                precopyBytes += packed.bytes();
            } else {
                restBytes += packed.bytes();
            }
            if (packed.manifest() != null) {
                Manifest.Builder manifest = packed.manifest().setOpening(opening);
                // Their checksums were taken when they were sent.
                for (int i = 0; i < manifest.getRecordsCount(); i++) {
                    manifest.setRecords(i, checked.get(manifest.getRecords(i).getName()));
                }
                manifest.addAllRest(records);
                frames.send(
                        Frames.Kind.MANIFEST,
                        manifest.build(),
                        buffer,
                        packed.bytes(),
                        settings.patience());
                return;
            }
            frames.send(
                    Frames.Kind.BATCH,
                    Batch.newBuilder()
                            .addAllRecords(records)
                            .addAllCachedFrames(packed.cachedFrames())
                            .build(),
                    buffer,
                    packed.bytes(),
                    settings.patience());
            heard = System.nanoTime();
            if (bytesPerSecond > 0 && frozenNanos == 0) {
                long due = began + packed.bytes() * 1_000_000_000L / bytesPerSecond;
                Thread.sleep(Duration.ofNanos(Math.max(0, due - System.nanoTime())));
            }
        }
    }

    private Packed onEngine(Listener listener, Supplier<Packed> task)
            throws IOException, InterruptedException {
        CompletableFuture<Packed> result = new CompletableFuture<>();
        listener.post(
                () -> {
                    try {
                        result.complete(task.get());
                    } catch (RuntimeException e) {
                        result.completeExceptionally(e);
                    }
                });
        try {
            return result.get(settings.patience().toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new TransportException(String.valueOf(e.getCause().getMessage()), e);
        } catch (TimeoutException e) {
            throw new TransportException("the engine was busy for " + settings.patience(), e);
        }
    }

    /**
     * On the engine's thread: copies what the target does not have, pages first; what changes with
     * each chunk or step goes last.
     */
    private Packed pack(TransferBuffer buffer, Listener listener) {
        if (cancelled || session.generator == null || session.over()) {
            throw new IllegalStateException("the session no longer moves");
        }
        SessionState now = session.generator.state();
        List<StateRecord> records = now.records();
        List<StateRecord> stale = records.stream().filter(this::stale).toList();
        long left = stale.stream().mapToLong(StateRecord::bytes).sum();
        boolean frozen = frozenNanos != 0;
        boolean late =
                System.nanoTime() - startedNanos > settings.longestPrecopy().toNanos()
                        || withoutPrecopy;
        boolean little = begun && left <= settings.cutBytes();
        if (!frozen && session.pending == 0 && (late || little)) {
            frozen = listener.cut();
            if (frozen) {
                frozenNanos = System.nanoTime();
            }
        }
        // At least one piece goes before the cut, also of a small state: both sides are warm then.
        begun = true;
        List<StateRecord> wanted = stale;
        if (!frozen) {
            List<StateRecord> lasting =
                    stale.stream().filter(r -> !r.name().equals("latents")).toList();
            List<StateRecord> pages =
                    lasting.stream().filter(r -> !r.name().startsWith("vae/")).toList();
            // What the next decode overwrites is worth sending only once a chunk is under way.
            wanted = !pages.isEmpty() || !session.inChunk ? pages : lasting;
        }
        List<StateRecord> taken = new ArrayList<>();
        long at = 0;
        for (StateRecord record : wanted) {
            if (record.bytes() > buffer.capacity()) {
                throw new IllegalStateException(
                        "record %s has %d bytes, the buffer %d"
                                .formatted(record.name(), record.bytes(), buffer.capacity()));
            }
            if (at + record.bytes() > buffer.capacity()) {
                break;
            }
            now.read(record, buffer.memory().asSlice(at, record.bytes()));
            at += record.bytes();
            taken.add(record);
            sent.put(record.name(), record.version());
        }
        Manifest.Builder manifest = null;
        if (frozen && taken.size() == wanted.size()) {
            manifest = listener.manifest();
            manifest.setPosition(MoveForms.position(now.position()));
            for (StateRecord record : records) {
                manifest.addRecords(MoveForms.record(record, 0));
            }
        }
        return new Packed(
                taken,
                at,
                now.position().cachedFrames(),
                manifest,
                taken.isEmpty() && manifest == null);
    }

    private boolean stale(StateRecord record) {
        Long version = sent.get(record.name());
        return version == null || version != record.version();
    }
}
