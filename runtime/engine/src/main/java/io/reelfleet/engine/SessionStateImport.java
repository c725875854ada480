package io.reelfleet.engine;

import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Fills a freshly opened session with the state of another one.
 *
 * <p>{@link #keep} and {@link #write} touch only memory that this session took when it was opened,
 * so a thread of its own may call them while the engine's thread runs other sessions; {@link
 * #finish} belongs to the engine's thread.
 */
public final class SessionStateImport {
    private final EngineSession session;
    private final Map<String, Long> written = new HashMap<>();

    /**
     * @param session just opened, without a step taken
     */
    public SessionStateImport(EngineSession session) {
        if (session.midChunk() || session.nextChunk() != 0) {
            throw new IllegalArgumentException(
                    "session " + session.parameters().uid() + " has begun already");
        }
        this.session = session;
    }

    /** Forgets pages of latent frames that left the windows. */
    public void keep(Collection<Long> frames, Collection<Long> unguidedFrames) {
        session.keepFrames(frames, unguidedFrames);
    }

    /**
     * Where a record's bytes go, in their order, for whoever receives them; {@link #filled} says
     * that they are there. Empty where they can only be taken by {@link #write}.
     */
    public List<MemorySegment> room(StateRecord record) throws StateMismatchException {
        written.remove(record.name());
        return session.room(record);
    }

    /** The record's bytes are in their {@link #room}. */
    public void filled(StateRecord record) {
        written.put(record.name(), record.version());
    }

    /** Takes a record's bytes. A later version replaces an earlier one. */
    public void write(StateRecord record, MemorySegment bytes) throws StateMismatchException {
        session.placeRecord(record, bytes);
        written.put(record.name(), record.version());
    }

    /** Whether exactly this version of the record is here. */
    public boolean has(StateRecord record) {
        Long version = written.get(record.name());
        return version != null && version == record.version();
    }

    /**
     * Makes the session stand where the other one stood.
     *
     * @param records everything that belongs to the state
     * @throws StateMismatchException when a record is missing or the state does not fit this model;
     *     the session is to be closed then
     */
    public void finish(StatePosition position, List<StateRecord> records)
            throws StateMismatchException {
        for (StateRecord record : records) {
            if (!has(record)) {
                throw new StateMismatchException(
                        "record %s of version %d was not received"
                                .formatted(record.name(), record.version()));
            }
        }
        session.standAt(position, records);
    }
}
