package io.reelfleet.server.session;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidImageException;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.PromptSwitch;
import io.reelfleet.engine.SessionState;
import io.reelfleet.engine.SessionStateImport;
import io.reelfleet.engine.StoredChunk;
import io.reelfleet.engine.VideoFrames;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * One session in the engine; see {@link io.reelfleet.engine.EngineSession}, whose methods these
 * are.
 */
public interface Generator extends AutoCloseable {
    GeneratedChunk takeChunk();

    /**
     * Decodes the finished chunk, beside the steps where that gains; the next may begin at once.
     */
    default CompletableFuture<GeneratedChunk> decode() {
        return CompletableFuture.completedFuture(takeChunk());
    }

    void setPrompt(String prompt, PromptSwitch how) throws InvalidPromptException;

    void setNegativePrompt(String text) throws InvalidPromptException;

    void setFirstFrame(VideoFrames image) throws InvalidImageException;

    /** Begins to leave the device; it cannot step from now on. */
    void suspend() throws DoesNotFitException;

    /** Whether the suspended state was given up for other sessions'. */
    boolean lost();

    /** Comes back to the device; waits for it. */
    void resume() throws DoesNotFitException;

    /**
     * Goes on with coming back, without waiting.
     *
     * @return true once it can step; to be called again until then
     */
    default boolean tryResume() throws DoesNotFitException {
        resume();
        return true;
    }

    /** A resume is foreseeable: what is in a file is brought into host memory. */
    default void prefetch() {}

    void rebuild(long nextChunk, List<StoredChunk> lastChunks);

    List<Long> rebuildSet(long nextChunk);

    /** Takes back stored latents that did not come along with a state. */
    default void recall(List<StoredChunk> stored) {}

    long stateBytes();

    /** Its complete state, to be copied out. */
    SessionState state();

    /** Takes the complete state of another one; only before its first step. */
    SessionStateImport importing();

    @Override
    void close();
}
