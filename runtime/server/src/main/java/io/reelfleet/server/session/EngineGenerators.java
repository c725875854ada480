package io.reelfleet.server.session;

import io.reelfleet.engine.Advance;
import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidImageException;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.SessionState;
import io.reelfleet.engine.SessionStateImport;
import io.reelfleet.engine.StoredChunk;
import io.reelfleet.engine.VideoFrames;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The real engine behind {@link Generators}.
 *
 * @param engine the engine
 * @param batchCap how many sessions a step takes together
 * @param decodesBeside whether chunks are decoded while the steps go on
 */
public record EngineGenerators(Engine engine, int batchCap, boolean decodesBeside)
        implements Generators {
    /** With the cap that is measured now, which takes some seconds at most. */
    public EngineGenerators(Engine engine) {
        this(engine, engine.batchCap().sessions(), false);
    }

    @Override
    public boolean settle() {
        engine.settle();
        return engine.settling();
    }

    @Override
    public ModelDescription model() {
        return engine.model();
    }

    @Override
    public String fingerprint() {
        return engine.fingerprint();
    }

    @Override
    public long deviceBytesUsed() {
        return engine.deviceBytesUsed();
    }

    @Override
    public long deviceBytesLimit() {
        return engine.deviceBytesLimit();
    }

    @Override
    public long hostBytesUsed() {
        return engine.hostBytesUsed();
    }

    @Override
    public List<Advance> step(List<Generator> batch, int runnable) {
        return engine.step(
                batch.stream().map(each -> ((EngineGenerator) each).session()).toList(), runnable);
    }

    @Override
    public Generator open(SessionParameters parameters) throws InvalidPromptException {
        return new EngineGenerator(engine.open(parameters), decodesBeside);
    }

    @Override
    public void close() {
        engine.close();
    }

    private record EngineGenerator(EngineSession session, boolean decodesBeside)
            implements Generator {
        @Override
        public CompletableFuture<GeneratedChunk> decode() {
            return decodesBeside
                    ? session.decodeBeside()
                    : CompletableFuture.completedFuture(session.takeChunk());
        }

        @Override
        public boolean tryResume() {
            return session.tryResume();
        }

        @Override
        public void prefetch() {
            session.prefetch();
        }

        @Override
        public GeneratedChunk takeChunk() {
            return session.takeChunk();
        }

        @Override
        public void setPrompt(String prompt, PromptSwitch how) throws InvalidPromptException {
            session.setPrompt(prompt, how);
        }

        @Override
        public void setNegativePrompt(String text) throws InvalidPromptException {
            session.setNegativePrompt(text);
        }

        @Override
        public void setFirstFrame(VideoFrames image) throws InvalidImageException {
            session.setFirstFrame(image);
        }

        @Override
        public void suspend() {
            session.beginSuspend();
        }

        @Override
        public boolean lost() {
            return session.lost();
        }

        @Override
        public void resume() {
            session.resume();
        }

        @Override
        public void rebuild(long nextChunk, List<StoredChunk> lastChunks) {
            session.rebuild(nextChunk, lastChunks);
        }

        @Override
        public void recall(List<StoredChunk> stored) {
            session.recall(stored);
        }

        @Override
        public List<Long> rebuildSet(long nextChunk) {
            return session.rebuildSet(nextChunk);
        }

        @Override
        public SessionState state() {
            return SessionState.of(session);
        }

        @Override
        public SessionStateImport importing() {
            return new SessionStateImport(session);
        }

        @Override
        public long stateBytes() {
            return session.stateBytes();
        }

        @Override
        public void close() {
            session.close();
        }
    }
}
