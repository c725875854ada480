package io.reelfleet.server.session;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.SessionState;
import io.reelfleet.engine.SessionStateImport;
import io.reelfleet.engine.StoredChunk;
import java.util.List;

/**
 * One session in the engine; see {@link io.reelfleet.engine.EngineSession}, whose methods these
 * are.
 */
public interface Generator extends AutoCloseable {
    GeneratedChunk takeChunk();

    void setPrompt(String prompt) throws InvalidPromptException;

    void suspend() throws DoesNotFitException;

    /** Whether the suspended state was given up for other sessions'. */
    boolean lost();

    void resume() throws DoesNotFitException;

    void rebuild(long nextChunk, List<StoredChunk> lastChunks);

    List<Long> rebuildSet(long nextChunk);

    long stateBytes();

    /** Its complete state, to be copied out. */
    SessionState state();

    /** Takes the complete state of another one; only before its first step. */
    SessionStateImport importing();

    @Override
    void close();
}
