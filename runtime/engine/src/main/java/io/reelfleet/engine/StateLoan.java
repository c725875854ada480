package io.reelfleet.engine;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.bytedeco.pytorch.Tensor;

/**
 * Memory of a session's records, for other threads to read while the session goes on. The memory
 * stays until the loan is closed; its content does not: a page's may be another frame's once its
 * frame has left the window. So who has read asks {@link #holds} afterwards, and throws away what
 * no longer holds.
 */
public final class StateLoan implements AutoCloseable {
    private record Lent(List<MemorySegment> parts, BooleanSupplier holds) {}

    private final Map<String, Lent> lent = new HashMap<>();
    private final List<Tensor> memory;

    /** On the engine's thread. */
    StateLoan(EngineSession session, List<StateRecord> records) {
        List<StateRecord> held = new ArrayList<>();
        for (StateRecord record : records) {
            List<MemorySegment> parts = session.memoryOf(record);
            if (!parts.isEmpty()) {
                lent.put(record.name(), new Lent(parts, session.unchanged(record)));
                held.add(record);
            }
        }
        memory = lent.isEmpty() ? List.of() : session.holdMemory(held);
    }

    /** Whether this record is lent. */
    public boolean has(StateRecord record) {
        return lent.containsKey(record.name());
    }

    /** A page's keys and its values; one part of other records. */
    public List<MemorySegment> parts(StateRecord record) {
        return lent.get(record.name()).parts;
    }

    /** Whether the bytes are still the record's; asked after they were read. On any thread. */
    public boolean holds(StateRecord record) {
        return lent.get(record.name()).holds.getAsBoolean();
    }

    @Override
    public void close() {
        memory.forEach(Tensor::close);
    }
}
