package io.reelfleet.server.session;

import io.reelfleet.api.migration.v1.Batch;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.migration.v1.Opening;
import io.reelfleet.api.migration.v1.Verdict;
import io.reelfleet.engine.SessionStateImport;
import io.reelfleet.engine.StateMismatchException;
import io.reelfleet.migration.protocol.Move;
import io.reelfleet.migration.protocol.WorkerState;
import io.reelfleet.migration.transport.Frames;
import io.reelfleet.migration.transport.Link;
import java.io.IOException;
import java.time.Duration;
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
                Frames frames = new Frames(door.accept(settings.patience()))) {
            try {
                Manifest whole = receive(frames);
                listener.complete(whole);
                frames.send(
                        Frames.Kind.VERDICT,
                        // Its commit is tried until the store answers.
                        verdict.get(1, TimeUnit.HOURS),
                        settings.patience());
            } catch (StateMismatchException e) {
                frames.send(
                        Frames.Kind.VERDICT,
                        Verdict.newBuilder().setSentence(e.getMessage()).build(),
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

    private Manifest receive(Frames frames) throws IOException, StateMismatchException {
        Frames.Frame first = frames.receive(settings.patience());
        check(Opening.parseFrom(first.message()), first.kind());
        try (StateReceiver receiver =
                new StateReceiver(frames.link(), importing, settings.patience())) {
            while (!cancelled) {
                Frames.Frame frame = frames.receive(settings.patience());
                switch (frame.kind()) {
                    case BATCH -> {
                        Batch batch = Batch.parseFrom(frame.message());
                        receiver.take(batch);
                        if (!batch.getLast()) {
                            receiver.requireTaken();
                            frames.send(
                                    Frames.Kind.VERDICT,
                                    Verdict.newBuilder().setBatchTaken(true).build(),
                                    settings.patience());
                        }
                    }
                    case MANIFEST -> {
                        Manifest manifest = Manifest.parseFrom(frame.message());
                        check(manifest.getOpening(), Frames.Kind.OPENING);
                        importing.keep(
                                manifest.getPosition().getCachedFramesList(),
                                manifest.getPosition().getUnguidedCachedFramesList());
                        receiver.check(manifest);
                        return manifest;
                    }
                    case OPENING, VERDICT ->
                            throw new StateMismatchException("a frame came out of turn");
                }
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
}
