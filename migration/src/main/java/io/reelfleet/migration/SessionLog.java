package io.reelfleet.migration;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.protobuf.Timestamp;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.End;
import io.reelfleet.api.log.v1.Fork;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.log.v1.Rewind;
import io.reelfleet.api.log.v1.Trim;
import io.reelfleet.api.session.v1.Control;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

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
    private static final int MOST_REWIND_IDS = 8;

    /** Ids of rewinds that a session's spec asks for begin so. */
    public static final String SPEC_REWIND = "spec/";

    private final ChunkStore store;
    private final SessionLogReader reader;
    private final Clock clock;
    private long epoch = -1;
    private String worker = "";
    private long nextChunk;
    private boolean ended;

    /** Set once another owner was found: from then on nothing is written. */
    private FencedException lost;

    private Timeline timeline = Timeline.UNTOUCHED;
    private List<String> rewinds = List.of();

    /** Entries need a reader that knows forks, rewinds and trims. */
    private boolean plain = true;

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
        log.timeline = log.reader.timeline();
        log.rewinds = log.reader.rewinds();
        log.plain =
                log.reader.firstEntry() == 0
                        && log.reader.fork().isEmpty()
                        && log.timeline.equals(Timeline.UNTOUCHED);
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

    /** Which chunk stands where in the video's own time. */
    public Timeline timeline() {
        return timeline;
    }

    /** The position of the next chunk in the video's own time. */
    public long nextPosition() {
        return timeline.positionOfNext(nextChunk);
    }

    /** Ids of the newest rewinds that were done. */
    public List<String> rewinds() {
        return rewinds;
    }

    /** The newest rewind, when no chunk has followed it yet. */
    public Optional<Rewind> unfinishedRewind() throws StoreException {
        return reader.unfinishedRewind();
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

    /** The chunk at {@code position} of the video, which must be below {@link #nextPosition}. */
    public Chunk chunkAt(long position) throws StoreException {
        return chunk(timeline.numberAt(position));
    }

    /** Chunk {@code k}, if it is stored and kept. */
    public Optional<Chunk> find(long k) throws StoreException {
        return reader.chunk(k).map(LogEntry::getChunk);
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

    /**
     * Lets the log begin where another session's chunk stands: appends the Fork entry, if this log
     * is empty, so that {@link #takeOver} may follow. The other's chunks stay where they are, and
     * are kept as long as this session is.
     *
     * @param source the other session
     * @param chunk its last chunk that is taken over
     * @param namespace of this session; the other one must be of it too
     * @throws UnknownChunkException when there is no such chunk, or no longer
     */
    public void forkFrom(String source, long chunk, String namespace, long newEpoch)
            throws StoreException, UnknownChunkException {
        if (reader.size() > 0) {
            return;
        }
        requireUid(source, namespace);
        String reference = StoreKeys.fork(source, sessionUid());
        store.createIfAbsent(
                reference, Long.toString(clock.instant().toEpochMilli()).getBytes(UTF_8));
        // From here on nothing of the other session is deleted, unless that had begun before: then
        // its mark is there by now.
        try {
            forkable(store, source, chunk, namespace);
        } catch (UnknownChunkException e) {
            store.delete(reference);
            throw e;
        }
        SessionLogReader other = SessionLogReader.atEnd(store, source);
        LogEntry entry =
                entry(newEpoch)
                        .setFormatVersion(SessionLogReader.FORMAT_VERSION)
                        .setFork(
                                Fork.newBuilder()
                                        .setSourceUid(source)
                                        .setChunk(chunk)
                                        .addAllTimeline(other.timelineOf(chunk).stretches()))
                        .build();
        // Whoever is faster has written the same.
        store.createIfAbsent(key(0), entry.toByteArray());
        readOn();
    }

    /**
     * The chunk that a fork goes on after.
     *
     * @throws UnknownChunkException as {@link #forkFrom}
     */
    public static Chunk forkable(ChunkStore store, String source, long chunk, String namespace)
            throws StoreException, UnknownChunkException {
        requireUid(source, namespace);
        SessionLogReader other = SessionLogReader.atEnd(store, source);
        // Sessions of other namespaces are not for this one to know.
        Optional<LogEntry> owner = other.newestOwner();
        if (owner.isEmpty() || !owner.get().getOwner().getSpec().getNamespace().equals(namespace)) {
            throw unknownSource(source, namespace);
        }
        if (store.read(StoreKeys.leaving(source)).isPresent()) {
            throw new UnknownChunkException(
                    "spec.from.session: the chunks of session %s are no longer kept: the pool's spec.retention.afterFinished is over"
                            .formatted(source));
        }
        long next = other.nextChunk();
        if (chunk >= next) {
            throw new UnknownChunkException(
                    "spec.from.chunk: session %s has %s; write a chunk from 0 to %d"
                            .formatted(source, stored(next), next - 1));
        }
        Optional<LogEntry> last = other.chunk(chunk);
        if (last.isEmpty()) {
            throw new UnknownChunkException(
                    "spec.from.chunk: chunk %d of session %s is no longer kept; write one from %d on"
                            .formatted(chunk, source, other.firstChunk()));
        }
        return last.get().getChunk();
    }

    /** What is no uid may be the name of an object that is not there. */
    private static void requireUid(String source, String namespace) throws UnknownChunkException {
        if (!StoreKeys.isSessionUid(source)) {
            throw unknownSource(source, namespace);
        }
    }

    private static UnknownChunkException unknownSource(String source, String namespace) {
        return new UnknownChunkException(
                "spec.from.session: namespace %s has no session %s whose chunks are stored; write the name or uid of one that has"
                        .formatted(namespace, source));
    }

    private static String stored(long next) {
        return switch ((int) Math.min(next, 2)) {
            case 0 -> "no chunk so far";
            case 1 -> "only chunk 0 so far";
            default -> "chunks 0 to %d so far".formatted(next - 1);
        };
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
                    entry(newEpoch)
                            .setOwner(
                                    owner.toBuilder()
                                            .setNextChunk(nextChunk)
                                            .addAllTimeline(timeline.stretches())
                                            .addAllRewinds(rewinds))
                            .build();
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
        lost = null;
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
        LogEntry stored =
                append(
                        entry(epoch)
                                .setChunk(chunk.toBuilder().setReplayed(timeline.replayed()))
                                .build());
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

    /**
     * Goes back: chunk {@code k} is generated again. What is stored stays, and the chunks that
     * follow get the next numbers. Done already where a rewind has this id.
     *
     * @param controls in force from there on, as far as they are not in the spec
     * @param id of this rewind, unlike that of any other
     * @return false when it had been done before
     * @throws UnknownChunkException when there is no such chunk, or no longer
     */
    public boolean rewind(long k, List<Control> controls, String id)
            throws StoreException, FencedException, UnknownChunkException {
        if (rewinds.contains(id)) {
            return false;
        }
        if (k < 0 || k >= nextChunk) {
            throw new UnknownChunkException(
                    "session %s cannot go back to chunk %d: it has %s"
                            .formatted(sessionUid(), k, stored(nextChunk)));
        }
        Optional<LogEntry> again = reader.chunk(k);
        if (again.isEmpty()) {
            throw new UnknownChunkException(
                    "session %s cannot go back to chunk %d: it is no longer kept; write one from %d on"
                            .formatted(sessionUid(), k, reader.firstChunk()));
        }
        Timeline back =
                reader.timelineOf(k).rewound(k - again.get().getChunk().getReplayed(), nextChunk);
        List<String> ids = new ArrayList<>(rewinds);
        ids.add(id);
        while (ids.size() > MOST_REWIND_IDS) {
            // That of the spec is asked for again with each command, so it stays.
            boolean first = ids.getFirst().startsWith(SPEC_REWIND);
            ids.remove(first && !id.startsWith(SPEC_REWIND) ? 1 : 0);
        }
        append(
                entry(epoch)
                        .setFormatVersion(SessionLogReader.FORMAT_VERSION)
                        .setRewind(
                                Rewind.newBuilder()
                                        .setChunk(k)
                                        .setNextChunk(nextChunk)
                                        .addAllTimeline(back.stretches())
                                        .addAllControls(controls)
                                        .addAllRewinds(ids))
                        .build());
        timeline = back;
        rewinds = List.copyOf(ids);
        plain = false;
        return true;
    }

    /**
     * Lets go of old chunks of a session that goes on: entries of chunks below {@code firstKept}
     * are deleted, save for those of {@code alsoKept}. Nothing is done while a fork refers to this
     * session.
     *
     * @param firstKept a chunk number, not above {@link #nextChunk}
     * @param alsoKept numbers of chunks below it that generating needs
     * @return how many objects were deleted
     */
    public int trim(long firstKept, Collection<Long> alsoKept)
            throws StoreException, FencedException {
        Optional<LogEntry> first = reader.chunk(firstKept);
        if (first.isEmpty()
                || !first.get().getSessionUid().equals(sessionUid())
                || first.get().getIndex() <= reader.firstEntry()
                || Retention.forked(store, sessionUid(), clock.instant())) {
            return 0;
        }
        long firstEntry = first.get().getIndex();
        Trim.Builder trim =
                Trim.newBuilder()
                        .setFirstEntry(firstEntry)
                        .setFirstChunk(firstKept)
                        .addAllTimeline(reader.timelineOf(firstKept).stretches())
                        .addAllRewinds(rewinds);
        reader.ownerBefore(firstEntry).ifPresent(trim::setOwner);
        reader.fork().ifPresent(trim::setFork);
        Set<Long> entries = new HashSet<>();
        for (long k : alsoKept) {
            Optional<LogEntry> kept = k < firstKept ? reader.chunk(k) : Optional.empty();
            if (kept.isPresent() && kept.get().getSessionUid().equals(sessionUid())) {
                entries.add(kept.get().getIndex());
                trim.addKept(Trim.Kept.newBuilder().setChunk(k).setEntry(kept.get().getIndex()));
            }
        }
        // Through the fence: whoever lost the session deletes nothing of it.
        LogEntry entry =
                append(
                        entry(epoch)
                                .setFormatVersion(SessionLogReader.FORMAT_VERSION)
                                .setTrim(trim)
                                .build());
        plain = false;
        store.createIfAbsent(StoreKeys.trim(sessionUid(), entry.getIndex()), new byte[0]);
        reader.beginAgain();
        if (Retention.forked(store, sessionUid(), clock.instant())) {
            return 0;
        }
        List<String> gone = new ArrayList<>();
        for (String key : store.list(StoreKeys.logPrefix(sessionUid()))) {
            long n = Long.parseLong(key.substring(key.lastIndexOf('/') + 1));
            if (n < firstEntry && !entries.contains(n)) {
                gone.add(key);
            }
        }
        store.deleteAll(gone);
        return gone.size();
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
        if (lost != null) {
            // The reader stands behind the newer owner's entry by now: what came next would find a
            // free number.
            throw lost;
        }
        if (ended) {
            throw new IllegalStateException("the log has ended");
        }
        LogEntry next = entry;
        LogEntry taken;
        while (true) {
            if (store.createIfAbsent(key(next.getIndex()), next.toByteArray())) {
                reader.appended(next);
                return next;
            }
            taken =
                    reader.poll()
                            .orElseThrow(
                                    () ->
                                            new StoreException(
                                                    "the chunk store %s says that %s exists, but cannot read it"
                                                            .formatted(
                                                                    store.location(),
                                                                    key(entry.getIndex()))));
            if (taken.getEpoch() != entry.getEpoch()) {
                break;
            }
            if (taken.getBodyCase() == entry.getBodyCase()
                    && taken.getChunk().getChunk() == entry.getChunk().getChunk()) {
                return taken;
            }
            if (!taken.hasTrim()) {
                break;
            }
            // An earlier try of this owner, whose answer was lost and which it gave up.
            next = next.toBuilder().setIndex(reader.size()).build();
        }
        if (taken.getEpoch() < epoch) {
            throw new LogCorruptException(
                    "entry %d of session %s was written under epoch %d after epoch %d had begun"
                            .formatted(taken.getIndex(), sessionUid(), taken.getEpoch(), epoch));
        }
        lost = fenced(epoch, taken);
        throw lost;
    }

    /** Reads what others appended since. */
    private void readOn() throws StoreException {
        for (LogEntry entry : reader.pollAll()) {
            switch (entry.getBodyCase()) {
                case CHUNK -> nextChunk = entry.getChunk().getChunk() + 1;
                case END -> ended = true;
                case FORK -> {
                    nextChunk = entry.getFork().getChunk() + 1;
                    timeline = new Timeline(entry.getFork().getTimelineList());
                    plain = false;
                }
                case REWIND -> {
                    timeline = new Timeline(entry.getRewind().getTimelineList());
                    rewinds = entry.getRewind().getRewindsList();
                    plain = false;
                }
                case TRIM -> plain = false;
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
                .setFormatVersion(
                        plain ? SessionLogReader.PLAIN_FORMAT : SessionLogReader.FORMAT_VERSION)
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
