package io.reelfleet.migration;

import com.google.protobuf.Timestamp;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * One session's log as its owner writes it, and the fence that lets only one owner write.
 *
 * <p>Each append creates the object of the next number only if it is absent. Who finds it taken
 * reads it: an entry of a higher epoch (or of another worker with the same one) means that the
 * session is lost to this owner, for ever; an entry of its own means that an earlier try had
 * succeeded although its answer was lost. After a {@link StoreException} the same append can be
 * tried again. Not safe for use by many threads at once.
 */
public final class SessionLog {
    private static final long ANYWHERE = -1;

    private final ChunkStore store;
    private final SessionLogReader reader;
    private final Clock clock;
    private long epoch = -1;
    private String worker = "";
    private long nextChunk;
    private boolean ended;

    private SessionLog(ChunkStore store, SessionLogReader reader, Clock clock) {
        this.store = store;
        this.reader = reader;
        this.clock = clock;
    }

    /**
     * Opens the log of a session, which need not exist yet. Nothing is written before {@link
     * #takeOver}.
     */
    public static SessionLog open(ChunkStore store, String sessionUid, Clock clock)
            throws StoreException {
        SessionLog log = new SessionLog(store, SessionLogReader.atEnd(store, sessionUid), clock);
        log.nextChunk = log.reader.nextChunk();
        log.ended = log.reader.end().isPresent();
        return log;
    }

    public String sessionUid() {
        return reader.sessionUid();
    }

    /** The epoch this log was taken over with; -1 before. */
    public long epoch() {
        return epoch;
    }

    /** The number of the next chunk to append. */
    public long nextChunk() {
        return nextChunk;
    }

    /** Whether the log has its End entry: nothing can follow. */
    public boolean ended() {
        return ended;
    }

    /** The End entry, when there is one. */
    public Optional<End> end() throws StoreException {
        return reader.end().map(LogEntry::getEnd);
    }

    /** The newest Owner entry: who owns the session as far as this log has been read. */
    public Optional<LogEntry> newestOwner() throws StoreException {
        return reader.newestOwner();
    }

    /** The newest {@code count} stored chunks (fewer if there are fewer), oldest first. */
    public List<Chunk> newestChunks(int count) throws StoreException {
        return reader.newestChunks(count);
    }

    /** Chunk {@code k}, which must be below {@link #nextChunk}. */
    public Chunk chunk(long k) throws StoreException {
        return reader.chunk(k)
                .map(LogEntry::getChunk)
                .orElseThrow(
                        () ->
                                new LogCorruptException(
                                        "the log of session %s has no chunk %d although later ones exist"
                                                .formatted(sessionUid(), k)));
    }

    /**
     * Takes the session over: appends {@code owner} with {@code newEpoch}, whose next chunk is set
     * here. Done when the newest owner is this worker with this epoch already.
     *
     * @throws FencedException when the log holds this epoch or a higher one
     */
    public void takeOver(long newEpoch, Owner owner) throws StoreException, FencedException {
        takeOver(newEpoch, owner, ANYWHERE);
    }

    /**
     * As {@link #takeOver}, but only where the log's next chunk is the one that the new owner's
     * state goes on with: the commit of a live migration.
     *
     * @return false when the log has gone on or ended meanwhile; nothing was written then
     */
    public boolean takeOverAt(long newEpoch, Owner owner, long expectedChunk)
            throws StoreException, FencedException {
        return takeOver(newEpoch, owner, expectedChunk);
    }

    private boolean takeOver(long newEpoch, Owner owner, long expectedChunk)
            throws StoreException, FencedException {
        while (true) {
            readOn();
            Optional<LogEntry> newest = reader.newestOwner();
            if (newest.isPresent() && newest.get().getEpoch() >= newEpoch) {
                LogEntry entry = newest.get();
                if (entry.getEpoch() == newEpoch
                        && entry.getOwner().getWorker().equals(owner.getWorker())) {
                    break;
                }
                throw fenced(newEpoch, entry);
            }
            if (ended) {
                // An ended log takes no owner; its reader sees ended() and has nothing to generate.
                return false;
            }
            if (expectedChunk != ANYWHERE && expectedChunk != nextChunk) {
                return false;
            }
            LogEntry entry =
                    entry(newEpoch).setOwner(owner.toBuilder().setNextChunk(nextChunk)).build();
            if (store.createIfAbsent(key(entry.getIndex()), entry.toByteArray())) {
                // Not read on from here: what follows may be a newer owner's, which the first
                // append must run into.
                reader.appended(entry);
                break;
            }
            // Somebody was faster: the loop reads who, and decides again.
        }
        epoch = newEpoch;
        worker = owner.getWorker();
        return true;
    }

    /**
     * Appends the next chunk. When this returns, the chunk is stored and may be shown.
     *
     * @return the entry as it is stored
     * @throws FencedException when another owner took the session over; it is lost to this one
     * @throws StoreException when the outcome is unknown or the store refuses; may be tried again
     *     with the same chunk
     */
    public LogEntry append(Chunk chunk) throws StoreException, FencedException {
        if (chunk.getChunk() != nextChunk) {
            throw new IllegalArgumentException(
                    "chunk %d appended where %d comes next".formatted(chunk.getChunk(), nextChunk));
        }
        LogEntry stored = append(entry(epoch).setChunk(chunk).build());
        // After an unknown outcome the entry may be there from an earlier try, whose latency was
        // measured earlier.
        if (!stored.getChunk().getLatents().equals(chunk.getLatents())
                || !stored.getChunk().getMedia().equals(chunk.getMedia())) {
            throw new LogCorruptException(
                    "chunk %d of session %s is stored with other content under the same epoch %d"
                            .formatted(nextChunk, sessionUid(), epoch));
        }
        nextChunk++;
        return stored;
    }

    /** Appends the End entry; nothing can follow it. */
    public void end(String reason, String message) throws StoreException, FencedException {
        append(entry(epoch).setEnd(End.newBuilder().setReason(reason).setMessage(message)).build());
        ended = true;
    }

    private LogEntry append(LogEntry entry) throws StoreException, FencedException {
        if (epoch < 0) {
            throw new IllegalStateException("the log is not taken over");
        }
        if (ended) {
            throw new IllegalStateException("the log has ended");
        }
        if (store.createIfAbsent(key(entry.getIndex()), entry.toByteArray())) {
            reader.appended(entry);
            return entry;
        }
        LogEntry taken =
                reader.poll()
                        .orElseThrow(
                                () ->
                                        new StoreException(
                                                "the chunk store %s says that %s exists, but cannot read it"
                                                        .formatted(
                                                                store.location(),
                                                                key(entry.getIndex()))));
        if (taken.getEpoch() == entry.getEpoch()
                && taken.getBodyCase() == entry.getBodyCase()
                && taken.getChunk().getChunk() == entry.getChunk().getChunk()) {
            return taken;
        }
        if (taken.getEpoch() < epoch) {
            throw new LogCorruptException(
                    "entry %d of session %s was written under epoch %d after epoch %d had begun"
                            .formatted(taken.getIndex(), sessionUid(), taken.getEpoch(), epoch));
        }
        throw fenced(epoch, taken);
    }

    /** Reads what others appended since. */
    private void readOn() throws StoreException {
        for (LogEntry entry : reader.pollAll()) {
            switch (entry.getBodyCase()) {
                case CHUNK -> nextChunk = entry.getChunk().getChunk() + 1;
                case END -> ended = true;
                case OWNER, BODY_NOT_SET -> {}
            }
        }
    }

    private FencedException fenced(long mine, LogEntry newer) {
        String owner = newer.hasOwner() ? newer.getOwner().getWorker() : "another worker";
        return new FencedException(sessionUid(), mine, newer.getEpoch(), owner);
    }

    private LogEntry.Builder entry(long ofEpoch) {
        Instant now = clock.instant();
        return LogEntry.newBuilder()
                .setFormatVersion(SessionLogReader.FORMAT_VERSION)
                .setSessionUid(sessionUid())
                .setIndex(reader.size())
                .setEpoch(ofEpoch)
                .setWrittenAt(
                        Timestamp.newBuilder()
                                .setSeconds(now.getEpochSecond())
                                .setNanos(now.getNano()));
    }

    private String key(long n) {
        return StoreKeys.logEntry(sessionUid(), n);
    }

    /** The worker that took this log over; empty before. */
    public String worker() {
        return worker;
    }
}
