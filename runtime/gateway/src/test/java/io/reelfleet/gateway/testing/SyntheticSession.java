package io.reelfleet.gateway.testing;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.log.v1.Tensor;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.Pacing;
import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.FencedException;
import io.reelfleet.migration.SessionLog;
import io.reelfleet.migration.StoreException;
import io.reelfleet.migration.UnknownChunkException;
import java.time.Clock;
import java.util.List;

/** Writes a session's log as its owners would. */
public final class SyntheticSession {
    private final ChunkStore store;
    private final String uid;
    private final SampleVideo video;
    private final SessionSpec.Builder spec;
    private SessionLog log;
    private boolean otherEncoder;

    public SyntheticSession(ChunkStore store, String uid, String prompt) {
        this(store, uid, prompt, SampleVideo.load());
    }

    public SyntheticSession(ChunkStore store, String uid, String prompt, SampleVideo video) {
        this.store = store;
        this.uid = uid;
        this.video = video;
        this.spec =
                SessionSpec.newBuilder()
                        .setUid(uid)
                        .setName(uid)
                        .setNamespace("default")
                        .setPool("default/shapes")
                        .setSeed(7)
                        .setPacing(Pacing.PACING_REALTIME)
                        .addControls(Control.newBuilder().setKind("prompt").setText(prompt));
    }

    /** A worker takes the session over. */
    public SyntheticSession owner(String worker, String endpoint, long epoch) {
        return append(
                () -> {
                    log = SessionLog.open(store, uid, Clock.systemUTC());
                    log.takeOver(
                            epoch,
                            Owner.newBuilder()
                                    .setWorker(worker)
                                    .setEndpoint(endpoint)
                                    .setSpec(spec)
                                    .setFingerprint("none")
                                    .build());
                });
    }

    /** From now on as another encoder writes it. */
    public SyntheticSession anotherEncoder() {
        otherEncoder = true;
        return this;
    }

    /** From now on under this prompt. */
    public SyntheticSession prompt(String text) {
        spec.clearControls().addControls(Control.newBuilder().setKind("prompt").setText(text));
        return this;
    }

    /** Appends this many chunks more. */
    public SyntheticSession chunks(int count) {
        for (int i = 0; i < count; i++) {
            append(() -> log.append(chunk(log.nextChunk())));
        }
        return this;
    }

    private Chunk chunk(long k) {
        return Chunk.newBuilder()
                .setChunk(k)
                .setLatents(
                        Tensor.newBuilder()
                                .setDtype("F32")
                                .addShape(3)
                                .setData(ByteString.copyFrom(new byte[12])))
                .setMedia(otherEncoder ? video.segmentOfAnotherEncoder(k) : video.segment(k))
                .addAllControls(spec.getControlsList())
                .setFirstLatentFrame(3 * k)
                .setLatencyS(0.3)
                .setGenerateS(0.2)
                .build();
    }

    /**
     * A worker takes it over as a fork that goes on after chunk {@code last} of another session.
     */
    public SyntheticSession forkOf(String source, long last, String worker) {
        return append(
                () -> {
                    log = SessionLog.open(store, uid, Clock.systemUTC());
                    log.forkFrom(source, last, "default", 1);
                    log.takeOver(
                            1,
                            Owner.newBuilder()
                                    .setWorker(worker)
                                    .setEndpoint("127.0.0.1:1")
                                    .setSpec(spec)
                                    .build());
                });
    }

    /** Chunk {@code k} is generated again. */
    public SyntheticSession rewind(long k) {
        return append(() -> log.rewind(k, spec.getControlsList(), "to-" + k + "-" + nextChunk()));
    }

    /** Chunks before {@code first} are no longer kept. */
    public SyntheticSession trim(long first) {
        return append(() -> log.trim(first, List.of()));
    }

    /** No chunk follows. */
    public SyntheticSession end() {
        return append(() -> log.end("Completed", ""));
    }

    /** The number of the next chunk. */
    public long nextChunk() {
        return log.nextChunk();
    }

    private interface Append {
        void run() throws StoreException, FencedException, UnknownChunkException;
    }

    private SyntheticSession append(Append append) {
        try {
            append.run();
            return this;
        } catch (StoreException | FencedException | UnknownChunkException e) {
            throw new IllegalStateException(e);
        }
    }
}
