package io.reelfleet.server.session;

import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.StoredChunk;
import java.util.List;

/** The real engine behind {@link Generators}. */
public record EngineGenerators(Engine engine) implements Generators {

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
    public Generator open(SessionParameters parameters) throws InvalidPromptException {
        return new EngineGenerator(engine.open(parameters));
    }

    @Override
    public void close() {
        engine.close();
    }

    private record EngineGenerator(EngineSession session) implements Generator {
        @Override
        public boolean step() {
            return session.step();
        }

        @Override
        public GeneratedChunk takeChunk() {
            return session.takeChunk();
        }

        @Override
        public void setPrompt(String prompt) throws InvalidPromptException {
            session.setPrompt(prompt);
        }

        @Override
        public void suspend() {
            session.suspend();
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
        public List<Long> rebuildSet(long nextChunk) {
            return session.rebuildSet(nextChunk);
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
