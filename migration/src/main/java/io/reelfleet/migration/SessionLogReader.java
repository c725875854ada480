package io.reelfleet.migration;

import com.google.protobuf.InvalidProtocolBufferException;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.Fork;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Rewind;
import io.reelfleet.api.log.v1.Trim;
import java.util.ArrayList;
import java.util.HashMap;
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
    /** The highest format this version reads. */
    public static final int FORMAT_VERSION = 2;

    /** What logs without forks, rewinds and trims are written in. */
    static final int PLAIN_FORMAT = 1;

    private static final long CACHE_BYTES = 16L << 20;

    private final ChunkStore store;
    private final String sessionUid;
    private final Map<Long, LogEntry> cache = new LinkedHashMap<>(16, 0.75f, true);
    private final long cacheBytes;
    private long cachedBytes;
    private long size;
    private Optional<LogEntry> newestOwner = Optional.empty();
    private boolean ownerKnown = true;

    /** The first entry that the store listed. */
    private long oldest;

    /** Null until it is needed. */
    private Beginning beginning;

    /** The log of the session that this one is a fork of; null until it is needed. */
    private SessionLogReader source;

    /**
     * Where the log begins: at entry 0 with chunk 0, or for a fork with the chunk after the last
     * one taken over, or after a trim somewhere later.
     *
     * @param entry the first entry there is, apart from those that were kept
     * @param chunk the number of the first chunk from there on
     * @param owner the newest Owner entry before it
     * @param kept entries before it that were kept, by their chunks' numbers
     */
    private record Beginning(
            long entry,
            long chunk,
            Optional<LogEntry> owner,
            Timeline timeline,
            List<String> rewinds,
            Optional<Fork> fork,
            Map<Long, Long> kept) {
        static final Beginning PLAIN =
                new Beginning(
                        0,
                        0,
                        Optional.empty(),
                        Timeline.UNTOUCHED,
                        List.of(),
                        Optional.empty(),
                        Map.of());

        static Beginning of(Fork fork) {
            return new Beginning(
                    0,
                    fork.getChunk() + 1,
                    Optional.empty(),
                    new Timeline(fork.getTimelineList()),
                    List.of(),
                    Optional.of(fork),
                    Map.of());
        }

        static Beginning of(Trim trim) {
            Map<Long, Long> kept = new HashMap<>();
            trim.getKeptList().forEach(each -> kept.put(each.getChunk(), each.getEntry()));
            return new Beginning(
                    trim.getFirstEntry(),
                    trim.getFirstChunk(),
                    trim.hasOwner() ? Optional.of(trim.getOwner()) : Optional.empty(),
                    new Timeline(trim.getTimelineList()),
                    trim.getRewindsList(),
                    trim.hasFork() ? Optional.of(trim.getFork()) : Optional.empty(),
                    kept);
        }
    }

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
            reader.oldest = number(keys.getFirst());
            reader.size = number(keys.getLast()) + 1;
            reader.ownerKnown = false;
        }
        return reader;
    }

    /** The uids that have a log in this store. */
    public static List<String> sessions(ChunkStore store) throws StoreException {
        return store.folders("sessions/");
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

    /** Whether the log has been trimmed beyond entry {@code n} since this reader was opened. */
    private boolean isTrimmedBefore(long n) throws StoreException {
        long before = oldest;
        try {
            oldest = n + 1;
            beginning = findBeginning();
            return n < beginning.entry;
        } catch (LogCorruptException e) {
            oldest = before;
            return false;
        }
    }

    private Beginning beginning() throws StoreException {
        if (beginning == null) {
            Beginning found = findBeginning();
            if (size == 0 && cache.isEmpty()) {
                return found;
            }
            beginning = found;
        }
        return beginning;
    }

    private Beginning findBeginning() throws StoreException {
        if (oldest == 0) {
            Optional<LogEntry> first = load(0);
            if (first.isPresent()) {
                return first.get().hasFork()
                        ? Beginning.of(first.get().getFork())
                        : Beginning.PLAIN;
            }
            if (size == 0) {
                return Beginning.PLAIN;
            }
        }
        // Entry 0 is gone, so the log was trimmed, or all of it is being deleted.
        List<String> trims = store.list(StoreKeys.trimsPrefix(sessionUid));
        if (!trims.isEmpty()) {
            long n = number(trims.getLast());
            Optional<LogEntry> entry = load(n);
            if (entry.isPresent() && entry.get().hasTrim()) {
                return Beginning.of(entry.get().getTrim());
            }
        }
        if (store.read(StoreKeys.leaving(sessionUid)).isPresent()) {
            return new Beginning(
                    Math.max(0, size - 1),
                    0,
                    Optional.empty(),
                    Timeline.UNTOUCHED,
                    List.of(),
                    Optional.empty(),
                    Map.of());
        }
        throw new LogCorruptException(
                "the log of session %s has no entry 0 although later ones exist"
                        .formatted(sessionUid));
    }

    /** The first entry that can be read one by one from there to the end. */
    public long firstEntry() throws StoreException {
        return beginning().entry;
    }

    /** The number of the first chunk at or after {@link #firstEntry}. */
    public long firstChunk() throws StoreException {
        return beginning().chunk;
    }

    /** What this session is a fork of, if it is one. */
    public Optional<Fork> fork() throws StoreException {
        return beginning().fork;
    }

    /** The log of the session that this one is a fork of. */
    public SessionLogReader source() throws StoreException {
        if (source == null) {
            Fork fork =
                    fork().orElseThrow(
                                    () ->
                                            new IllegalStateException(
                                                    "session " + sessionUid + " is no fork"));
            source = atEnd(store, fork.getSourceUid(), cacheBytes);
        }
        return source;
    }

    /** The timeline that the next chunk is part of. */
    public Timeline timeline() throws StoreException {
        return timelineBefore(size);
    }

    /** The timeline that chunk {@code k} is part of. */
    Timeline timelineOf(long k) throws StoreException {
        Optional<LogEntry> entry = chunk(k);
        if (entry.isEmpty()) {
            throw new LogCorruptException(
                    "the log of session %s has no chunk %d".formatted(sessionUid, k));
        }
        if (!entry.get().getSessionUid().equals(sessionUid)) {
            return source().timelineOf(k);
        }
        return timelineBefore(entry.get().getIndex());
    }

    private Timeline timelineBefore(long end) throws StoreException {
        for (long n = lastOtherBefore(end); n >= 0; n = lastOtherBefore(n)) {
            LogEntry entry = entry(n);
            switch (entry.getBodyCase()) {
                case OWNER -> {
                    return new Timeline(entry.getOwner().getTimelineList());
                }
                case REWIND -> {
                    return new Timeline(entry.getRewind().getTimelineList());
                }
                case FORK -> {
                    return new Timeline(entry.getFork().getTimelineList());
                }
                case CHUNK, END, TRIM, BODY_NOT_SET -> {}
            }
        }
        return beginning().timeline;
    }

    /** Ids of the newest rewinds, the newest last. */
    List<String> rewinds() throws StoreException {
        for (long n = lastOtherBefore(size); n >= 0; n = lastOtherBefore(n)) {
            LogEntry entry = entry(n);
            if (entry.hasOwner()) {
                return entry.getOwner().getRewindsList();
            }
            if (entry.hasRewind()) {
                return entry.getRewind().getRewindsList();
            }
        }
        return beginning().rewinds;
    }

    /** The newest Rewind entry, when no chunk follows it yet. */
    Optional<Rewind> unfinishedRewind() throws StoreException {
        for (long n = size - 1; n >= beginning().entry; n--) {
            LogEntry entry = entry(n);
            if (entry.hasChunk()) {
                return Optional.empty();
            }
            if (entry.hasRewind()) {
                return Optional.of(entry.getRewind());
            }
        }
        return Optional.empty();
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
        Optional<LogEntry> entry = load(n);
        if (entry.isEmpty()) {
            if (isTrimmedBefore(n)) {
                throw new LogCorruptException(
                        "entry %d of session %s is no longer kept".formatted(n, sessionUid));
            }
            throw new LogCorruptException(
                    "the log of session %s has no entry %d although later ones exist"
                            .formatted(sessionUid, n));
        }
        return entry.get();
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

    /**
     * Chunk {@code k}'s entry, if the known part of the log holds it; of a fork also the other
     * session's entry of a chunk that was taken over. Empty for a chunk that is no longer kept.
     */
    public Optional<LogEntry> chunk(long k) throws StoreException {
        Beginning start = beginning();
        if (k < start.chunk) {
            Long kept = start.kept.get(k);
            if (kept != null) {
                return load(kept);
            }
            boolean taken = start.fork.filter(f -> k <= f.getChunk()).isPresent();
            return taken && k >= 0 ? source().chunk(k) : Optional.empty();
        }
        // From the first entry on, chunk numbers grow by at most one from entry to entry. So a
        // step of the whole remaining distance can never pass over chunk k.
        long n = start.entry + (k - start.chunk);
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

    /**
     * The number of the first chunk at or after entry n; from the nearest entry below that says it.
     */
    private long chunksBefore(long n) throws StoreException {
        Beginning start = beginning();
        for (long i = n - 1; i >= start.entry; i--) {
            LogEntry entry = entry(i);
            if (entry.hasChunk()) {
                return entry.getChunk().getChunk() + 1;
            }
            if (entry.hasOwner()) {
                return entry.getOwner().getNextChunk();
            }
            if (entry.hasRewind()) {
                return entry.getRewind().getNextChunk();
            }
        }
        return start.chunk;
    }

    /**
     * The number of the last entry before entry {@code end} that is no chunk; -1 when there is
     * none. Entries less chunks counts those that are none; the last of them sits where it last
     * grew.
     */
    private long lastOtherBefore(long end) throws StoreException {
        Beginning start = beginning();
        if (end <= start.entry) {
            return -1;
        }
        long others = others(end);
        if (others == 0) {
            return -1;
        }
        // Smallest m with others(m) == others: entry m - 1 is the last that is no chunk.
        long low = start.entry + others;
        long high = end;
        while (low < high) {
            long middle = (low + high) >>> 1;
            if (others(middle) >= others) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low - 1;
    }

    private long others(long end) throws StoreException {
        Beginning start = beginning();
        return end - start.entry - (chunksBefore(end) - start.chunk);
    }

    private Optional<LogEntry> findNewestOwner() throws StoreException {
        return ownerBefore(size);
    }

    /** The newest Owner entry before entry {@code end}. */
    Optional<LogEntry> ownerBefore(long end) throws StoreException {
        for (long n = lastOtherBefore(end); n >= 0; n = lastOtherBefore(n)) {
            LogEntry entry = entry(n);
            if (entry.hasOwner()) {
                return Optional.of(entry);
            }
        }
        return beginning().owner;
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

    /** The log was trimmed by who uses this reader. */
    void beginAgain() throws StoreException {
        oldest = Math.max(1, oldest);
        beginning = findBeginning();
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
