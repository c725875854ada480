package io.reelfleet.server.session;

import io.reelfleet.engine.DoesNotFitException;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.ModelDescription;
import io.reelfleet.engine.SessionParameters;

/** The engine as the loop sees it, so that tests of pacing and fencing need no model. */
public interface Generators extends AutoCloseable {
    ModelDescription model();

    /** What the generated bits depend on. */
    String fingerprint();

    long deviceBytesUsed();

    long deviceBytesLimit();

    long hostBytesUsed();

    Generator open(SessionParameters parameters) throws DoesNotFitException, InvalidPromptException;

    @Override
    void close();
}
