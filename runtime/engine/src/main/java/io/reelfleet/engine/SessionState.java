package io.reelfleet.engine;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A session's complete state as it lies in the engine: a position and records of bytes. Whoever has
 * both can go on with the same bits in any engine of the same model and fingerprint, by {@link
 * SessionStateImport}.
 *
 * <p>It is a view: to be used on the engine's thread, and what it says holds until the session's
 * next step. Pages are immutable once they are written; the decoder's cache changes with each
 * chunk, the prompt's keys and values with each prompt, the latents with each step.
 */
public final class SessionState {
    /** Layout of the records. A state of another version is refused. */
    public static final int VERSION = 2;

    private final EngineSession session;

    private SessionState(EngineSession session) {
        this.session = session;
    }

    /** The state of a session that has no chunk waiting to be taken. */
    public static SessionState of(EngineSession session) {
        return new SessionState(session);
    }

    /** Where the session stands now. */
    public StatePosition position() {
        return session.position();
    }

    /** All records there are now. */
    public List<StateRecord> records() {
        return session.records();
    }

    /**
     * Copies a record's bytes out.
     *
     * @param into at least as long as the record
     * @throws IllegalStateException when the session has no such record (any longer) in this
     *     version
     */
    public void read(StateRecord record, MemorySegment into) {
        session.copyRecord(record, into);
    }

    /**
     * Lends the memory of those of {@code records} that need not be copied: pages, and the
     * decoder's cache. Empty on a GPU and while the session is suspended.
     */
    public StateLoan lend(List<StateRecord> records) {
        return new StateLoan(session, records);
    }
}
