package io.reelfleet.server.session;

import io.reelfleet.engine.Advance;
import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.SessionParameters;
import java.util.List;

/** The engine as the loop sees it, so that tests of pacing and fencing need no model. */
public interface Generators extends AutoCloseable {
    ModelDescription model();

    /** What the generated bits depend on. */
    String fingerprint();

    long deviceBytesUsed();

    long deviceBytesLimit();

    long hostBytesUsed();

    /** How many sessions a step should take together on this machine; measured at start-up. */
    int batchCap();

    /**
     * Advances sessions by one denoising step together.
     *
     * @param batch at most {@link #batchCap}
     * @param runnable how many could have been in it
     * @return what became of each, in order
     */
    List<Advance> step(List<Generator> batch, int runnable);

    /**
     * Gives back the memory of sessions that have left the device since the last call.
     *
     * @return true while others are still leaving
     */
    default boolean settle() {
        return false;
    }

    Generator open(SessionParameters parameters) throws DoesNotFitException, InvalidPromptException;

    @Override
    void close();
}
