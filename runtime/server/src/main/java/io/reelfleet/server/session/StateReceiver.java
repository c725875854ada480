package io.reelfleet.server.session;

import io.reelfleet.api.migration.v1.Batch;
import io.reelfleet.api.migration.v1.Group;
import io.reelfleet.api.migration.v1.Manifest;
import io.reelfleet.api.migration.v1.Record;
import io.reelfleet.engine.SessionStateImport;
import io.reelfleet.engine.StateMismatchException;
import io.reelfleet.engine.StateRecord;
import io.reelfleet.migration.transport.Link;
import io.reelfleet.migration.transport.TransferBuffer;
import io.reelfleet.migration.transport.TransportException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Receives records of a state: pieces straight into the session's memory, where they lie there side
 * by side as they do at the source, with the next pieces on their way while one is checked.
 */
final class StateReceiver implements AutoCloseable {
    /** Pieces on their way at once. */
    private static final int MOST_PENDING = 3;

    private static final long MOST_BUFFER_BYTES = 1L << 31;
    private static final int MOST_PARTS = 2;

    private final Link link;
    private final SessionStateImport into;
    private final Duration patience;
    private final Map<String, Record> received = new HashMap<>();
    private final TransferBuffer[] buffers = new TransferBuffer[MOST_PENDING + 1];
    private int nextBuffer;

    /** Why what comes cannot be taken. */
    private StateMismatchException refusal;

    StateReceiver(Link link, SessionStateImport into, Duration patience) {
        this.link = link;
        this.into = into;
        this.patience = patience;
    }

    /** A record that comes. */
    private static final class Coming {
        final Record form;
        final StateRecord record;
        final List<MemorySegment> room;
        final CRC32C sum = new CRC32C();

        Coming(Record form, List<MemorySegment> room) {
            this.form = form;
            this.record = MoveForms.record(form);
            this.room = room;
        }

        /** Where its bytes from {@code at} on go. */
        List<MemorySegment> slice(long at, long bytes) {
            List<MemorySegment> slices = new ArrayList<>();
            long start = 0;
            for (MemorySegment each : room) {
                long from = Math.max(at, start) - start;
                long to = Math.min(at + bytes, start + each.byteSize()) - start;
                if (from < to) {
                    slices.add(each.asSlice(from, to - from));
                }
                start += each.byteSize();
            }
            return slices;
        }
    }

    /** One part of some records. */
    private record Piece(List<Coming> records, int part, int parts) {
        long bytes(Coming each) {
            return each.record.bytes() / parts;
        }

        long bytes() {
            return records.stream().mapToLong(this::bytes).sum();
        }
    }

    private record OnItsWay(
            Piece piece, MemorySegment memory, boolean direct, Link.Pending pending) {}

    /** Takes all pieces that follow a batch, also where {@link #requireTaken} refuses them then. */
    void take(Batch batch) throws TransportException, StateMismatchException {
        into.keep(batch.getCachedFramesList(), batch.getUnguidedCachedFramesList());
        Deque<OnItsWay> pending = new ArrayDeque<>();
        try {
            for (Piece piece : pieces(batch)) {
                if (pending.size() == MOST_PENDING) {
                    finish(pending);
                }
                pending.add(begin(piece));
            }
            while (!pending.isEmpty()) {
                finish(pending);
            }
        } finally {
            pending.forEach(each -> each.pending().close());
        }
    }

    /** Throws where something that came cannot be taken. */
    void requireTaken() throws StateMismatchException {
        if (refusal != null) {
            throw refusal;
        }
    }

    private List<Piece> pieces(Batch batch) throws StateMismatchException {
        List<Piece> pieces = new ArrayList<>();
        int at = 0;
        for (Group group : batch.getGroupsList()) {
            int count = group.getRecords();
            int parts = group.getParts();
            if (count < 1
                    || count > batch.getRecordsCount() - at
                    || parts < 1
                    || parts > MOST_PARTS) {
                throw new StateMismatchException("a batch's groups do not fit its records");
            }
            List<Coming> records = new ArrayList<>(count);
            for (Record form : batch.getRecordsList().subList(at, at + count)) {
                if (form.getBytes() % parts != 0) {
                    throw new StateMismatchException(
                            "record %s has no %d equal parts".formatted(form.getName(), parts));
                }
                received.remove(form.getName());
                records.add(new Coming(form, room(form)));
            }
            at += count;
            for (int part = 0; part < parts; part++) {
                pieces.add(new Piece(records, part, parts));
            }
        }
        if (at != batch.getRecordsCount()) {
            throw new StateMismatchException("a batch's groups do not fit its records");
        }
        return pieces;
    }

    /** Nowhere once something was refused: what follows is received and thrown away. */
    private List<MemorySegment> room(Record form) {
        if (refusal == null) {
            try {
                return into.room(MoveForms.record(form));
            } catch (StateMismatchException e) {
                refusal = e;
            }
        }
        return List.of();
    }

    private OnItsWay begin(Piece piece) throws TransportException, StateMismatchException {
        MemorySegment direct = together(piece);
        MemorySegment memory = direct == null ? buffer(piece.bytes()) : direct;
        return new OnItsWay(piece, memory, direct != null, link.beginReceive(memory));
    }

    /** The memory of a piece whose records lie side by side; else null. */
    @SuppressWarnings("restricted")
    private static MemorySegment together(Piece piece) {
        long start = -1;
        long end = -1;
        for (Coming each : piece.records()) {
            if (each.room.isEmpty()) {
                return null;
            }
            long bytes = piece.bytes(each);
            for (MemorySegment slice : each.slice(piece.part() * bytes, bytes)) {
                if (start < 0) {
                    start = slice.address();
                    end = start;
                }
                if (slice.address() != end) {
                    return null;
                }
                end += slice.byteSize();
            }
        }
        return start < 0 ? null : MemorySegment.ofAddress(start).reinterpret(end - start);
    }

    private MemorySegment buffer(long bytes) throws StateMismatchException {
        if (bytes > MOST_BUFFER_BYTES) {
            throw new StateMismatchException(
                    "the source sends %d bytes at once, %d are taken"
                            .formatted(bytes, MOST_BUFFER_BYTES));
        }
        int i = nextBuffer++ % buffers.length;
        if (buffers[i] == null || buffers[i].capacity() < bytes) {
            if (buffers[i] != null) {
                buffers[i].close();
            }
            buffers[i] = new TransferBuffer(bytes);
        }
        return buffers[i].memory().asSlice(0, bytes);
    }

    /** Waits for the piece that was begun first, checks it and puts it where it belongs. */
    private void finish(Deque<OnItsWay> all) throws TransportException, StateMismatchException {
        OnItsWay first = all.element();
        first.pending().await(patience);
        all.remove().pending().close();
        if (refusal != null) {
            return;
        }
        Piece piece = first.piece();
        long at = 0;
        for (Coming each : piece.records()) {
            long bytes = piece.bytes(each);
            MemorySegment content = first.memory().asSlice(at, bytes);
            each.sum.update(content.asByteBuffer());
            if (!first.direct()) {
                place(each, piece, content);
            }
            at += bytes;
            if (piece.part() == piece.parts() - 1) {
                into.filled(each.record);
                received.put(
                        each.record.name(),
                        each.form.toBuilder().setCrc32C((int) each.sum.getValue()).build());
            }
        }
    }

    private void place(Coming each, Piece piece, MemorySegment content)
            throws StateMismatchException {
        if (each.room.isEmpty()) {
            if (piece.parts() != 1) {
                throw new StateMismatchException(
                        "record %s comes in parts, which a GPU does not take"
                                .formatted(each.record.name()));
            }
            into.write(each.record, content);
            return;
        }
        long from = 0;
        for (MemorySegment slice :
                each.slice(piece.part() * content.byteSize(), content.byteSize())) {
            MemorySegment.copy(content, from, slice, 0, slice.byteSize());
            from += slice.byteSize();
        }
    }

    /** Whether exactly the manifest's records are here, with its checksums. */
    void check(Manifest manifest) throws StateMismatchException {
        requireTaken();
        for (Record wanted : manifest.getRecordsList()) {
            Record here = received.get(wanted.getName());
            if (here == null
                    || !here.toBuilder().setCrc32C(wanted.getCrc32C()).build().equals(wanted)) {
                throw new StateMismatchException(
                        "record %s of version %d was not received"
                                .formatted(wanted.getName(), wanted.getVersion()));
            }
            if (here.getCrc32C() != wanted.getCrc32C()) {
                throw new StateMismatchException(
                        "record %s came with a wrong checksum".formatted(wanted.getName()));
            }
        }
    }

    @Override
    public void close() {
        for (TransferBuffer buffer : buffers) {
            if (buffer != null) {
                buffer.close();
            }
        }
    }
}
