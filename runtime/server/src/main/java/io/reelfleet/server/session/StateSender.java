package io.reelfleet.server.session;

import io.reelfleet.api.migration.v1.Batch;
import io.reelfleet.api.migration.v1.Group;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.engine.StateLoan;
import io.reelfleet.engine.StatePosition;
import io.reelfleet.engine.StateRecord;
import io.reelfleet.migration.transport.Frames;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.TransferBuffer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * Sends records of a state: pieces straight out of the session's memory, as far as it is lent, with
 * the next piece on its way and checksums being made while one is sent.
 */
final class StateSender {
    /** Pieces on their way at once. */
    private static final int MOST_PENDING = 3;

    private final Frames frames;
    private final long pieceBytes;
    private final Duration patience;

    /** Checksums that are known from a move before: equal versions have equal bytes. */
    private final Map<String, Record> known;

    private final Map<String, Record> checked = new HashMap<>();

    StateSender(Frames frames, long pieceBytes, Duration patience, Map<String, Record> known) {
        this.frames = frames;
        this.pieceBytes = pieceBytes;
        this.patience = patience;
        this.known = known;
    }

    /**
     * Records to send.
     *
     * @param loan has the memory of those that need not be copied
     * @param copies has the others' bytes, one after the other
     */
    record Load(
            List<StateRecord> records,
            StateLoan loan,
            TransferBuffer copies,
            StatePosition position)
            implements AutoCloseable {
        long bytes() {
            return records.stream().mapToLong(StateRecord::bytes).sum();
        }

        @Override
        public void close() {
            loan.close();
        }
    }

    /** Records that go together, and the memory of each part of them. */
    private record Pieces(List<StateRecord> records, List<MemorySegment> parts) {}

    /**
     * Sends them.
     *
     * @param last the manifest follows
     * @param bytesPerSecond at most; 0 = no limit
     * @return the names of those whose memory became somebody else's while it was sent: what came
     *     of them is worth nothing
     */
    List<String> send(Load load, boolean last, long bytesPerSecond, BooleanSupplier cancelled)
            throws IOException, InterruptedException {
        List<Pieces> groups = groups(load);
        Batch.Builder batch = batch(load.position()).setLast(last);
        for (StateRecord record : load.records()) {
            batch.addRecords(MoveForms.record(record, 0));
        }
        for (Pieces group : groups) {
            batch.addGroups(
                    Group.newBuilder()
                            .setRecords(group.records().size())
                            .setParts(group.parts().size()));
        }
        frames.send(Frames.Kind.BATCH, batch.build(), patience);
        Deque<Link.Pending> pending = new ArrayDeque<>();
        long due = System.nanoTime();
        try {
            for (Pieces group : groups) {
                if (cancelled.getAsBoolean()) {
                    throw new IOException("the move was cancelled");
                }
                for (MemorySegment part : group.parts()) {
                    pending.add(frames.link().beginSend(part));
                }
                check(group);
                while (pending.size() > MOST_PENDING) {
                    await(pending);
                }
                if (bytesPerSecond > 0) {
                    due += bytes(group) * 1_000_000_000L / bytesPerSecond;
                    Thread.sleep(Duration.ofNanos(Math.max(0, due - System.nanoTime())));
                }
            }
            while (!pending.isEmpty()) {
                await(pending);
            }
        } finally {
            pending.forEach(Link.Pending::close);
        }
        List<String> spoilt = new ArrayList<>();
        for (StateRecord record : load.records()) {
            if (load.loan().has(record) && !load.loan().holds(record)) {
                checked.remove(record.name());
                spoilt.add(record.name());
            }
        }
        return spoilt;
    }

    /** Says that this side is there. */
    void signOfLife(StatePosition position) throws IOException {
        frames.send(Frames.Kind.BATCH, batch(position).build(), patience);
    }

    /** A record as it was sent, with its checksum. */
    Record checked(StateRecord record) {
        Record form = checked.get(record.name());
        if (form == null || form.getVersion() != record.version()) {
            throw new IllegalStateException(
                    "record %s of version %d was not sent"
                            .formatted(record.name(), record.version()));
        }
        return form;
    }

    private static Batch.Builder batch(StatePosition position) {
        return Batch.newBuilder()
                .addAllCachedFrames(position.window().cached())
                .addAllUnguidedCachedFrames(position.unguidedWindow().cached());
    }

    private static long bytes(Pieces group) {
        return group.parts().stream().mapToLong(MemorySegment::byteSize).sum();
    }

    private void await(Deque<Link.Pending> pending) throws IOException {
        try (Link.Pending first = pending.remove()) {
            first.await(patience);
        }
    }

    /** Makes the checksums of records that are on their way. */
    private void check(Pieces group) {
        int count = group.records().size();
        for (int i = 0; i < count; i++) {
            StateRecord record = group.records().get(i);
            Record before = known.get(record.name());
            int sum;
            if (before != null && before.getVersion() == record.version()) {
                sum = before.getCrc32C();
            } else {
                MemorySegment[] bytes = new MemorySegment[group.parts().size()];
                for (int part = 0; part < bytes.length; part++) {
                    bytes[part] = slice(group, i, part);
                }
                sum = Frames.checksum(bytes);
            }
            checked.put(record.name(), MoveForms.record(record, sum));
        }
    }

    private static MemorySegment slice(Pieces group, int record, int part) {
        long at = 0;
        for (int i = 0; i < record; i++) {
            at += group.records().get(i).bytes() / group.parts().size();
        }
        long bytes = group.records().get(record).bytes() / group.parts().size();
        return group.parts().get(part).asSlice(at, bytes);
    }

    /** Puts together what lies side by side in memory, up to the size of a piece. */
    private List<Pieces> groups(Load load) {
        List<Pieces> groups = new ArrayList<>();
        List<StateRecord> records = new ArrayList<>();
        List<MemorySegment> parts = List.of();
        long copied = 0;
        for (StateRecord record : load.records()) {
            List<MemorySegment> own;
            if (load.loan().has(record)) {
                own = load.loan().parts(record);
            } else {
                own = List.of(load.copies().memory().asSlice(copied, record.bytes()));
                copied += record.bytes();
            }
            List<MemorySegment> longer = joined(parts, own);
            if (longer.isEmpty()) {
                if (!records.isEmpty()) {
                    groups.add(new Pieces(records, parts));
                }
                records = new ArrayList<>();
                longer = own;
            }
            records.add(record);
            parts = longer;
        }
        if (!records.isEmpty()) {
            groups.add(new Pieces(records, parts));
        }
        return groups;
    }

    /** Both as one; empty where they do not lie side by side or would be too long. */
    @SuppressWarnings("restricted")
    private List<MemorySegment> joined(List<MemorySegment> some, List<MemorySegment> next) {
        if (some.size() != next.size()) {
            return List.of();
        }
        List<MemorySegment> joined = new ArrayList<>();
        for (int i = 0; i < some.size(); i++) {
            MemorySegment a = some.get(i);
            MemorySegment b = next.get(i);
            long bytes = a.byteSize() + b.byteSize();
            if (a.address() + a.byteSize() != b.address() || bytes > pieceBytes) {
                return List.of();
            }
            joined.add(MemorySegment.ofAddress(a.address()).reinterpret(bytes));
        }
        return joined;
    }
}
