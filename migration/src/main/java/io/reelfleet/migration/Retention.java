package io.reelfleet.migration;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.protobuf.Timestamp;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Deletes what ended sessions of one pool left, once their time is over. All workers of the pool
 * try; of each round one of them does it.
 *
 * <p>A session that a fork refers to stays whole. Deleting begins with a mark that keeps new forks
 * away, and ends with it, so a process that dies in between leaves nothing that the next round does
 * not find.
 */
public final class Retention {
    private static final Logger LOG = LoggerFactory.getLogger(Retention.class);

    /** A fork that has no log yet is being made, for so long. */
    private static final Duration FORKING = Duration.ofHours(1);

    private final ChunkStore store;
    private final String pool;
    private final String worker;
    private volatile Duration afterFinished;
    private final Duration every;
    private final Clock clock;

    /** As of the last round, when this worker had it. */
    private volatile List<Unended> unended = List.of();

    /**
     * A log that nothing was added to for longer than ended sessions are kept, though it has no End
     * entry: its session is suspended, or nobody wants it any more. Who knows that says {@link
     * #abandon}.
     *
     * @param epoch of its newest owner
     */
    public record Unended(String uid, long epoch) {}

    /** When sessions ended whose End entry was read once. */
    private final Map<String, Instant> ended = new HashMap<>();

    /**
     * @param pool {@code namespace/name}: only its sessions are looked at
     * @param worker who says so in the log
     * @param afterFinished how long a session's chunks stay after its End entry
     * @param every how often one of the workers looks
     */
    public Retention(
            ChunkStore store,
            String pool,
            String worker,
            Duration afterFinished,
            Duration every,
            Clock clock) {
        this.store = store;
        this.pool = pool;
        this.worker = worker;
        this.afterFinished = afterFinished;
        this.every = every;
        this.clock = clock;
    }

    /** Looks now and again until the thread is interrupted. */
    public void run() {
        // Workers of one pool do not all come at once.
        long pause = ThreadLocalRandom.current().nextLong(1, Math.max(2, every.toMillis()));
        while (true) {
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                return;
            }
            pause = every.toMillis();
            try {
                if (myTurn()) {
                    sweep();
                } else {
                    unended = List.of();
                }
            } catch (StoreException e) {
                LOG.warn("old chunks stay for now: {}", e.getMessage());
            } catch (RuntimeException e) {
                LOG.error("old chunks stay for now", e);
            }
        }
    }

    /** From now on ended sessions stay for so long. */
    public void keepFor(Duration after) {
        if (!after.equals(afterFinished)) {
            LOG.info("chunks of ended sessions are kept for {} now", after);
        }
        afterFinished = after;
    }

    /** Logs that this worker, when the last round was its own, found to be old and without end. */
    public List<Unended> unended() {
        return unended;
    }

    /**
     * Ends a log that nobody will go on with, unless something has happened to it since. Its chunks
     * go as those of any session that has ended.
     *
     * @return whether it has its End entry now
     */
    public boolean abandon(Unended log) throws StoreException {
        unended = unended.stream().filter(u -> !u.equals(log)).toList();
        SessionLog open = SessionLog.open(store, log.uid(), clock);
        Optional<LogEntry> owner = open.newestOwner();
        if (open.ended()
                || owner.isEmpty()
                || owner.get().getEpoch() != log.epoch()
                || !isOurs(owner.get())
                || !isOld(SessionLogReader.atEnd(store, log.uid()))) {
            return false;
        }
        try {
            open.takeOver(
                    log.epoch() + 1,
                    Owner.newBuilder()
                            .setWorker(worker)
                            .setSpec(owner.get().getOwner().getSpec())
                            .build());
            open.end("Abandoned", "nobody wants it any more");
        } catch (FencedException e) {
            // Somebody goes on with it after all.
            return false;
        }
        LOG.info("session {}: nobody wants it any more: its log has ended", log.uid());
        return true;
    }

    private boolean isOurs(LogEntry owner) {
        return owner.getOwner().getSpec().getPool().equals(pool);
    }

    private boolean isOld(SessionLogReader log) throws StoreException {
        return !written(log.entry(log.size() - 1)).plus(afterFinished).isAfter(clock.instant());
    }

    private static Instant written(LogEntry entry) {
        Timestamp written = entry.getWrittenAt();
        return Instant.ofEpochSecond(written.getSeconds(), written.getNanos());
    }

    /** Whether nobody else has this round. */
    boolean myTurn() throws StoreException {
        String folder = "retention/" + pool.replace('/', '.') + "/";
        long round = clock.instant().toEpochMilli() / Math.max(1, every.toMillis());
        boolean mine =
                store.createIfAbsent(folder + "%015d".formatted(round), worker.getBytes(UTF_8));
        if (mine) {
            store.deleteAll(
                    store.list(folder).stream()
                            .filter(key -> key.compareTo(folder + "%015d".formatted(round)) < 0)
                            .toList());
        }
        return mine;
    }

    /**
     * Deletes every session of the pool whose time is over.
     *
     * @return how many sessions
     */
    public int sweep() throws StoreException {
        int deleted = 0;
        List<String> sessions = SessionLogReader.sessions(store);
        ended.keySet().retainAll(sessions);
        List<Unended> old = new ArrayList<>();
        for (String uid : sessions) {
            try {
                if (isOver(uid, old) && delete(store, uid, clock.instant())) {
                    LOG.info(
                            "session {}: its chunks are deleted, {} after its end",
                            uid,
                            afterFinished);
                    ended.remove(uid);
                    deleted++;
                }
            } catch (LogCorruptException e) {
                LOG.warn("session {} is left alone: {}", uid, e.getMessage());
            }
        }
        unended = List.copyOf(old);
        return deleted;
    }

    private boolean isOver(String uid, List<Unended> old) throws StoreException {
        if (store.read(StoreKeys.leaving(uid)).isPresent()) {
            return true;
        }
        Instant end = ended.get(uid);
        if (end == null) {
            SessionLogReader log = SessionLogReader.atEnd(store, uid);
            Optional<LogEntry> owner = log.newestOwner().filter(this::isOurs);
            if (owner.isEmpty()) {
                return false;
            }
            Optional<LogEntry> last = log.end();
            if (last.isEmpty()) {
                if (isOld(log)) {
                    old.add(new Unended(uid, owner.get().getEpoch()));
                }
                return false;
            }
            end = written(last.get());
            ended.put(uid, end);
        }
        return !end.plus(afterFinished).isAfter(clock.instant());
    }

    /**
     * Deletes a session, unless a fork refers to it.
     *
     * @return whether it is gone
     */
    static boolean delete(ChunkStore store, String uid, Instant now) throws StoreException {
        // From now on nobody may fork it. Who forks writes its reference and then looks for this
        // mark; here it is the other way
        // round, so one of both sees the other.
        store.createIfAbsent(StoreKeys.leaving(uid), new byte[0]);
        if (forked(store, uid, now)) {
            return false;
        }
        String mark = StoreKeys.leaving(uid);
        String logs = StoreKeys.logPrefix(uid);
        List<String> rest = new ArrayList<>();
        List<String> entries = new ArrayList<>();
        for (String key : store.list(StoreKeys.sessionPrefix(uid))) {
            if (key.startsWith(logs)) {
                entries.add(key);
            } else if (!key.equals(mark)) {
                rest.add(key);
            }
        }
        // Its End entry is the last of the log to go: until then nobody takes it for one that
        // could go on.
        store.deleteAll(entries);
        store.deleteAll(rest);
        store.delete(StoreKeys.sessionPrefix(uid));
        return true;
    }

    /** Whether a session goes on from chunks of this one. References of those that are gone go. */
    static boolean forked(ChunkStore store, String uid, Instant now) throws StoreException {
        String prefix = StoreKeys.forksPrefix(uid);
        boolean forked = false;
        for (String key : store.list(prefix)) {
            String fork = key.substring(prefix.length());
            if (!store.list(StoreKeys.logPrefix(fork)).isEmpty() || isFresh(store, key, now)) {
                forked = true;
            } else {
                store.delete(key);
            }
        }
        return forked;
    }

    private static boolean isFresh(ChunkStore store, String key, Instant now)
            throws StoreException {
        Optional<byte[]> since = store.read(key);
        try {
            return since.isPresent()
                    && Instant.ofEpochMilli(Long.parseLong(new String(since.get(), UTF_8)))
                            .plus(FORKING)
                            .isAfter(now);
        } catch (NumberFormatException e) {
            return false;
        }
    }
}
