package io.reelfleet.server.session;

import io.reelfleet.api.migration.v1.Batch;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.migration.v1.Opening;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.api.migration.v1.Verdict;
import io.reelfleet.engine.SessionStateImport;
import io.reelfleet.engine.StateMismatchException;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.WorkerState;
import io.reelfleet.migration.transport.Frames;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.TransferBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The target's side of one move: a thread that receives a state into a session just opened. */
final class Incoming {
    /** Opens the link, waiting for the source. */
    interface Door extends AutoCloseable {
        Link accept(Duration within) throws IOException;

        @Override
        void close();
    }

    private static final long MOST_BUFFER_BYTES = 1L << 31;

    final String uid;
    final Move move;
    final Generator generator;
    final SessionWriter writer;

    /** Where the protocol stands; the engine's thread alone touches it. */
    WorkerState state = new WorkerState.Absent();

    /** Filled by the thread; finished on the engine's. */
    final SessionStateImport importing;

    Manifest manifest;
    boolean adopted;

    private final Opening expected;
    private final Door door;
    private final MoveSettings settings;
    private final CompletableFuture<Verdict> verdict = new CompletableFuture<>();
    private volatile boolean cancelled;

    Incoming(
            String uid,
            Move move,
            Generator generator,
            SessionWriter writer,
            Opening expected,
            Door door,
            MoveSettings settings) {
        this.uid = uid;
        this.move = move;
        this.generator = generator;
        this.importing = generator.importing();
        this.writer = writer;
        this.expected = expected;
        this.door = door;
        this.settings = settings;
    }

    /** What the thread tells the moves. */
    interface Listener {
        /** Everything is here and right. */
        void complete(Manifest manifest);

        /** It ends without that, for this reason. */
        void failed(String sentence);

        /** Its thread has ended and touches nothing any more. */
        void ended();
    }

    void start(Listener listener) {
        Thread.ofPlatform().daemon().name("move-in-" + uid).start(() -> run(listener));
    }

    /** Ends the thread soon; {@link Listener#ended} says when. */
    void cancel() {
        cancelled = true;
        verdict.complete(Verdict.newBuilder().setSentence("the move was cancelled").build());
    }

    void decided(boolean committed, String sentence) {
        verdict.complete(
                Verdict.newBuilder().setCommitted(committed).setSentence(sentence).build());
    }

    private void run(Listener listener) {
        try (door;
                Frames frames = new Frames(door.accept(settings.patience()));
                TransferBuffer buffer = new TransferBuffer(64)) {
            try {
                Manifest whole = receive(frames, buffer);
                listener.complete(whole);
                frames.send(
                        Frames.Kind.VERDICT,
                        // Its commit is tried until the store answers.
                        verdict.get(1, TimeUnit.HOURS),
                        buffer,
                        0,
                        settings.patience());
            } catch (StateMismatchException e) {
                frames.send(
                        Frames.Kind.VERDICT,
                        Verdict.newBuilder().setSentence(e.getMessage()).build(),
                        buffer,
                        0,
                        settings.patience());
                throw e;
            }
        } catch (IOException | StateMismatchException | RuntimeException | TimeoutException e) {
            listener.failed(String.valueOf(e.getMessage()));
        } catch (ExecutionException | InterruptedException e) {
            listener.failed("interrupted");
        } finally {
            listener.ended();
        }
    }

    private Manifest receive(Frames frames, TransferBuffer small)
            throws IOException, StateMismatchException {
        Frames.Frame first = frames.receive(small, settings.patience());
        Opening opening = Opening.parseFrom(first.message());
        check(opening, first.kind());
        if (opening.getBufferBytes() < 1 || opening.getBufferBytes() > MOST_BUFFER_BYTES) {
            throw new StateMismatchException(
                    "the source wants to send %d bytes at once, from 1 to %d are taken"
                            .formatted(opening.getBufferBytes(), MOST_BUFFER_BYTES));
        }
        try (TransferBuffer buffer = new TransferBuffer(opening.getBufferBytes())) {
            return receiveInto(buffer, frames);
        }
    }

    private Manifest receiveInto(TransferBuffer buffer, Frames frames)
            throws IOException, StateMismatchException {
        SessionStateImport into = importing;
        Map<String, Record> received = new HashMap<>();
        while (!cancelled) {
            Frames.Frame frame = frames.receive(buffer, settings.patience());
            switch (frame.kind()) {
                case BATCH -> {
                    Batch batch = Batch.parseFrom(frame.message());
                    into.keep(batch.getCachedFramesList());
                    take(batch.getRecordsList(), buffer, frame.bytes(), into, received);
                }
                case MANIFEST -> {
                    Manifest manifest = Manifest.parseFrom(frame.message());
                    check(manifest.getOpening(), Frames.Kind.OPENING);
                    into.keep(manifest.getPosition().getCachedFramesList());
                    take(manifest.getRestList(), buffer, frame.bytes(), into, received);
                    for (Record record : manifest.getRecordsList()) {
                        if (!record.equals(received.get(record.getName()))) {
                            throw new StateMismatchException(
                                    "record %s of version %d was not received"
                                            .formatted(record.getName(), record.getVersion()));
                        }
                    }
                    return manifest;
                }
                case OPENING, VERDICT ->
                        throw new StateMismatchException("a frame came out of turn");
            }
        }
        throw new StateMismatchException("the move was cancelled");
    }

    private void check(Opening opening, Frames.Kind kind) throws StateMismatchException {
        if (kind != Frames.Kind.OPENING
                || !opening.getMoveId().equals(expected.getMoveId())
                || !opening.getSessionUid().equals(expected.getSessionUid())) {
            throw new StateMismatchException("what came is not the session that was announced");
        }
        if (opening.getProtocolVersion() != expected.getProtocolVersion()
                || opening.getStateVersion() != expected.getStateVersion()) {
            throw new StateMismatchException(
                    "the state has protocol version %d and state version %d, this worker takes %d and %d"
                            .formatted(
                                    opening.getProtocolVersion(),
                                    opening.getStateVersion(),
                                    expected.getProtocolVersion(),
                                    expected.getStateVersion()));
        }
        if (!opening.getModelRevision().equals(expected.getModelRevision())) {
            throw new StateMismatchException(
                    "the state is of model revision %s, this worker has %s"
                            .formatted(opening.getModelRevision(), expected.getModelRevision()));
        }
    }

    private static void take(
            List<Record> records,
            TransferBuffer buffer,
            long bytes,
            SessionStateImport into,
            Map<String, Record> received)
            throws StateMismatchException {
        long at = 0;
        for (Record record : records) {
            if (record.getBytes() < 0 || record.getBytes() > bytes - at) {
                throw new StateMismatchException(
                        "record %s says it has %d bytes, more than came"
                                .formatted(record.getName(), record.getBytes()));
            }
            MemorySegment content = buffer.memory().asSlice(at, record.getBytes());
            if (Frames.checksum(content) != record.getCrc32C()) {
                throw new StateMismatchException(
                        "record %s came with a wrong checksum".formatted(record.getName()));
            }
            into.write(MoveForms.record(record), content);
            received.put(record.getName(), record);
            at += record.getBytes();
        }
    }
}
