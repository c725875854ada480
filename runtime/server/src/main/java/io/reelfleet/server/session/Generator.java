package io.reelfleet.server.session;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.StoredChunk;
import java.util.List;

/**
 * One session in the engine; see {@link io.reelfleet.engine.EngineSession}, whose methods these
 * are.
 */
public interface Generator extends AutoCloseable {
    boolean step();

    GeneratedChunk takeChunk();

    void setPrompt(String prompt) throws InvalidPromptException;

    void suspend() throws DoesNotFitException;

    void resume() throws DoesNotFitException;

    void rebuild(long nextChunk, List<StoredChunk> lastChunks);

    List<Long> rebuildSet(long nextChunk);

    long stateBytes();

    @Override
    void close();
}
