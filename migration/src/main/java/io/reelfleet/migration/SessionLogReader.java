package io.reelfleet.migration;

import com.google.protobuf.InvalidProtocolBufferException;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads one session's log: for a viewer that follows it, and for an owner that goes on with it.
 *
 * <p>Entries never change, so what was read once is kept (the most recent entries, bounded by
 * bytes) and a poll at the end of the log costs one look-up of the next key. Finding a chunk or the
 * newest owner in a log of any length takes a number of reads that grows with its logarithm. Not
 * safe for use by many threads at once; readers are cheap, take one each.
 */
public final class SessionLogReader {
    /** The format this version writes, and the highest it reads. */
    public static final int FORMAT_VERSION = 1;

    private static final long CACHE_BYTES = 16L << 20;

    private final ChunkStore store;
    private final String sessionUid;
    private final Map<Long, LogEntry> cache = new LinkedHashMap<>(16, 0.75f, true);
    private final long cacheBytes;
    private long cachedBytes;
    private long size;
    private Optional<LogEntry> newestOwner = Optional.empty();
    private boolean ownerKnown = true;

    private SessionLogReader(ChunkStore store, String sessionUid, long cacheBytes) {
        this.store = store;
        this.sessionUid = sessionUid;
        this.cacheBytes = cacheBytes;
    }

    /**
     * A reader that stands before the first entry; {@link #poll} goes through the log one by one.
     */
    public static SessionLogReader fromStart(ChunkStore store, String sessionUid) {
        return fromStart(store, sessionUid, CACHE_BYTES);
    }

    private static SessionLogReader fromStart(
            ChunkStore store, String sessionUid, long cacheBytes) {
        StoreKeys.sessionPrefix(sessionUid);
        return new SessionLogReader(store, sessionUid, cacheBytes);
    }

    /** A reader that knows how long the log is now (one listing) and stands at its end. */
    public static SessionLogReader atEnd(ChunkStore store, String sessionUid)
            throws StoreException {
        return atEnd(store, sessionUid, CACHE_BYTES);
    }

    /**
     * As {@link #atEnd(ChunkStore, String)}, for who follows many sessions at once and keeps at
     * most {@code cacheBytes} (and one entry) of each.
     */
    public static SessionLogReader atEnd(ChunkStore store, String sessionUid, long cacheBytes)
            throws StoreException {
        SessionLogReader reader = fromStart(store, sessionUid, cacheBytes);
        List<String> keys = store.list(StoreKeys.logPrefix(sessionUid));
        if (!keys.isEmpty()) {
            String last = keys.getLast();
            reader.size = number(last) + 1;
            reader.ownerKnown = false;
        }
        return reader;
    }

    /** The uids that have a log in this store. */
    public static List<String> sessions(ChunkStore store) throws StoreException {
        return store.list("sessions/").stream()
                .map(key -> key.split("/", 3)[1])
                .distinct()
                .toList();
    }

    private static long number(String key) throws LogCorruptException {
        String name = key.substring(key.lastIndexOf('/') + 1);
        try {
            return Long.parseLong(name);
        } catch (NumberFormatException e) {
            throw new LogCorruptException(key + " is not a log entry's name: remove it", e);
        }
    }

    public String sessionUid() {
        return sessionUid;
    }

    /**
     * How many entries this reader knows of: the number of the entry that {@link #poll} asks for
     * next.
     */
    public long size() {
        return size;
    }

    /** The next entry if it is there by now. */
    public Optional<LogEntry> poll() throws StoreException {
        Optional<LogEntry> next = load(size);
        next.ifPresent(this::advance);
        return next;
    }

    /**
     * Everything that was appended since the last poll; leaves this reader at the end of the log.
     */
    public List<LogEntry> pollAll() throws StoreException {
        List<LogEntry> entries = new ArrayList<>();
        for (Optional<LogEntry> next = poll(); next.isPresent(); next = poll()) {
            entries.add(next.get());
        }
        return entries;
    }

    /**
     * Entry {@code n}, which must be below {@link #size}.
     *
     * @throws LogCorruptException when it is missing although a later one is there, or cannot be
     *     read
     */
    public LogEntry entry(long n) throws StoreException {
        if (n < 0 || n >= size) {
            throw new IndexOutOfBoundsException("entry " + n + " of " + size);
        }
        return load(n).orElseThrow(
                        () ->
                                new LogCorruptException(
                                        "the log of session %s has no entry %d although later ones exist"
                                                .formatted(sessionUid, n)));
    }

    /** The newest Owner entry known to this reader: who owns the session, where, and its spec. */
    public Optional<LogEntry> newestOwner() throws StoreException {
        if (!ownerKnown) {
            newestOwner = findNewestOwner();
            ownerKnown = true;
        }
        return newestOwner;
    }

    /** The End entry, when the log has one. */
    public Optional<LogEntry> end() throws StoreException {
        if (size == 0) {
            return Optional.empty();
        }
        LogEntry last = entry(size - 1);
        return last.hasEnd() ? Optional.of(last) : Optional.empty();
    }

    /** The number of the chunk that comes next: how many chunks the known part of the log holds. */
    public long nextChunk() throws StoreException {
        return chunksBefore(size);
    }

    /** Chunk {@code k}'s entry, if the known part of the log holds it. */
    public Optional<LogEntry> chunk(long k) throws StoreException {
        if (k < 0) {
            return Optional.empty();
        }
        // Entry n holds a chunk numbered at most n - 1, and numbers grow by at most one from entry
        // to entry. So a step of
        // the whole remaining distance can never pass over chunk k.
        long n = k + 1;
        while (n < size) {
            LogEntry entry = entry(n);
            long next = entry.hasChunk() ? entry.getChunk().getChunk() : chunksBefore(n);
            if (entry.hasChunk() && next == k) {
                return Optional.of(entry);
            }
            n += entry.hasChunk() ? k - next : Math.max(1, k - next + 1);
        }
        return Optional.empty();
    }

    /** The newest {@code count} chunks (fewer if there are fewer), oldest first. */
    public List<Chunk> newestChunks(int count) throws StoreException {
        long next = nextChunk();
        List<Chunk> chunks = new ArrayList<>();
        for (long k = Math.max(0, next - count); k < next; k++) {
            long wanted = k;
            chunks.add(
                    chunk(k).map(LogEntry::getChunk)
                            .orElseThrow(
                                    () ->
                                            new LogCorruptException(
                                                    "the log of session %s has no chunk %d although later ones exist"
                                                            .formatted(sessionUid, wanted))));
        }
        return chunks;
    }

    /** How many chunks entries 0 to n - 1 hold; from the nearest chunk or owner entry below n. */
    private long chunksBefore(long n) throws StoreException {
        for (long i = n - 1; i >= 0; i--) {
            LogEntry entry = entry(i);
            if (entry.hasChunk()) {
                return entry.getChunk().getChunk() + 1;
            }
            if (entry.hasOwner()) {
                return entry.getOwner().getNextChunk();
            }
        }
        return 0;
    }

    /**
     * n - chunksBefore(n) counts the entries below n that are no chunks; the last one sits where it
     * last grew.
     */
    private Optional<LogEntry> findNewestOwner() throws StoreException {
        long end = size;
        while (end > 0) {
            long others = end - chunksBefore(end);
            if (others == 0) {
                return Optional.empty();
            }
            // Smallest m with m - chunksBefore(m) == others: entry m - 1 is the last that is no
            // chunk.
            long low = others;
            long high = end;
            while (low < high) {
                long middle = (low + high) >>> 1;
                if (middle - chunksBefore(middle) >= others) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            LogEntry entry = entry(low - 1);
            if (entry.hasOwner()) {
                return Optional.of(entry);
            }
            end = low - 1;
        }
        return Optional.empty();
    }

    private Optional<LogEntry> load(long n) throws StoreException {
        LogEntry cached = cache.get(n);
        if (cached != null) {
            return Optional.of(cached);
        }
        Optional<byte[]> bytes = store.read(StoreKeys.logEntry(sessionUid, n));
        if (bytes.isEmpty()) {
            return Optional.empty();
        }
        LogEntry entry = parse(n, bytes.get());
        remember(entry);
        return Optional.of(entry);
    }

    /** What this process appended itself at the end of the log. */
    void appended(LogEntry entry) {
        remember(entry);
        advance(entry);
    }

    private void advance(LogEntry entry) {
        size++;
        if (entry.hasOwner()) {
            newestOwner = Optional.of(entry);
            ownerKnown = true;
        }
    }

    private void remember(LogEntry entry) {
        cache.put(entry.getIndex(), entry);
        cachedBytes += entry.getSerializedSize();
        var oldest = cache.entrySet().iterator();
        while (cachedBytes > cacheBytes && cache.size() > 1) {
            cachedBytes -= oldest.next().getValue().getSerializedSize();
            oldest.remove();
        }
    }

    private LogEntry parse(long n, byte[] bytes) throws LogCorruptException {
        LogEntry entry;
        try {
            entry = LogEntry.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            throw new LogCorruptException(
                    "entry %d of session %s cannot be read: %s"
                            .formatted(n, sessionUid, e.getMessage()),
                    e);
        }
        if (entry.getFormatVersion() > FORMAT_VERSION) {
            throw new LogCorruptException(
                    "entry %d of session %s has format %d, this version reads up to %d: upgrade it"
                            .formatted(n, sessionUid, entry.getFormatVersion(), FORMAT_VERSION));
        }
        if (!entry.getSessionUid().equals(sessionUid) || entry.getIndex() != n) {
            throw new LogCorruptException(
                    "entry %d of session %s says that it is entry %d of session %s"
                            .formatted(n, sessionUid, entry.getIndex(), entry.getSessionUid()));
        }
        return entry;
    }
}
