package io.reelfleet.gateway.follow;

import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.SessionLogReader;
import io.reelfleet.migration.StoreException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.jboss.logging.Logger;

/**
 * The end of one session's log, followed for everybody who watches it. Viewers keep nothing here
 * but the number of the chunk they want next: they wait for it, take it from the shared cache (or
 * the store) and come back, so one that is slow costs nobody memory.
 */
public final class SessionTail {
    private static final Logger LOG = Logger.getLogger(SessionTail.class);
    private static final long READER_CACHE_BYTES = 64 << 10;
    private static final Duration SHORTEST_POLL = Duration.ofMillis(50);
    private static final Duration LONGEST_POLL = Duration.ofMillis(200);
    private static final Duration OPENING = Duration.ofSeconds(10);
    private static final Duration ENDED_PAUSE = Duration.ofSeconds(1);
    private static final Duration STORE_DOWN_POLL = Duration.ofSeconds(1);

    private final ChunkStore store;
    private final String uid;
    private final FragmentCache cache;
    private final Runnable polled;

    /** Guards the reader: it is not made for many threads. */
    private final ReentrantLock reading = new ReentrantLock();

    private SessionLogReader reader;

    private final ReentrantLock news = new ReentrantLock();
    private final Condition changed = news.newCondition();
    private volatile ChunkIndex index;
    private volatile StoreException trouble;

    SessionTail(ChunkStore store, String uid, FragmentCache cache, Runnable polled) {
        this.store = store;
        this.uid = uid;
        this.cache = cache;
        this.polled = polled;
    }

    public String uid() {
        return uid;
    }

    /** Polls while {@code watched} says so. Runs in a thread of its own. */
    void follow(BooleanSupplier watched) {
        Duration pause = SHORTEST_POLL;
        while (watched.getAsBoolean()) {
            try {
                if (index != null && index.end().isPresent()) {
                    pause = ENDED_PAUSE;
                } else {
                    pause = poll() ? SHORTEST_POLL : longer(pause);
                }
                if (trouble != null) {
                    LOG.infof("session %s: the chunk store answers again", uid);
                    publish(index, null);
                }
            } catch (StoreException e) {
                if (trouble == null) {
                    LOG.warnf("session %s: %s; trying again each second", uid, e.getMessage());
                }
                publish(index, e);
                pause = STORE_DOWN_POLL;
            }
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static Duration longer(Duration pause) {
        Duration next = pause.multipliedBy(3).dividedBy(2);
        return next.compareTo(LONGEST_POLL) > 0 ? LONGEST_POLL : next;
    }

    /** Reads what was appended since; true when there was something. */
    private boolean poll() throws StoreException {
        polled.run();
        reading.lock();
        try {
            if (index == null) {
                reader = SessionLogReader.atEnd(store, uid, READER_CACHE_BYTES);
                publish(ChunkIndex.read(reader), null);
                return true;
            }
            ChunkIndex known = index;
            boolean grew = false;
            for (Optional<LogEntry> entry = reader.poll();
                    entry.isPresent();
                    entry = reader.poll()) {
                known =
                        entry.get().hasFork()
                                ? ChunkIndex.beforeFork(reader)
                                : known.with(entry.get());
                if (entry.get().hasChunk()) {
                    cache.put(uid, fragment(entry.get().getChunk()));
                }
                grew = true;
                publish(known, null);
            }
            return grew;
        } finally {
            reading.unlock();
        }
    }

    private void publish(ChunkIndex fresh, StoreException problem) {
        news.lock();
        try {
            index = fresh;
            trouble = problem;
            changed.signalAll();
        } finally {
            news.unlock();
        }
    }

    /**
     * The log as known now.
     *
     * @throws StoreException when it could not be read yet and the store does not answer
     */
    public ChunkIndex index() throws StoreException, InterruptedException {
        return await(known -> true, Duration.ZERO);
    }

    /**
     * Waits until {@code enough} holds or the log has ended, at most {@code patience}; the log as
     * known then.
     *
     * @throws StoreException when nothing was ever read of it and the store does not answer
     */
    public ChunkIndex await(Predicate<ChunkIndex> enough, Duration patience)
            throws StoreException, InterruptedException {
        news.lock();
        try {
            long opening = OPENING.toNanos();
            while (index == null) {
                if (trouble != null) {
                    throw trouble;
                }
                if (opening <= 0) {
                    throw new StoreException("the chunk store does not answer");
                }
                opening = changed.awaitNanos(opening);
            }
            long left = patience.toNanos();
            while (!enough.test(index) && index.end().isEmpty() && left > 0) {
                left = changed.awaitNanos(left);
            }
            return index;
        } finally {
            news.unlock();
        }
    }

    /** Waits for chunk {@code k} to be stored, or for the end of the log. */
    public ChunkIndex awaitChunk(long k, Duration patience)
            throws StoreException, InterruptedException {
        return await(known -> known.nextChunk() > k, patience);
    }

    /** Chunk {@code k}'s media, if the log holds it. */
    public Optional<Fragment> fragment(long k) throws StoreException {
        Optional<Fragment> cached = cache.get(uid, k);
        if (cached.isPresent()) {
            return cached;
        }
        ChunkIndex known = index;
        Optional<ChunkRun> run = known == null ? Optional.empty() : known.run(k);
        if (run.isEmpty()) {
            return Optional.empty();
        }
        reading.lock();
        try {
            Optional<Fragment> meanwhile = cache.get(uid, k);
            if (meanwhile.isPresent()) {
                return meanwhile;
            }
            LogEntry entry = log(run.get().log()).entry(run.get().entryOf(k));
            if (!entry.hasChunk() || entry.getChunk().getChunk() != k) {
                throw new StoreException(
                        "entry %d of session %s should hold chunk %d and does not"
                                .formatted(entry.getIndex(), uid, k));
            }
            Fragment fragment = fragment(entry.getChunk());
            cache.put(uid, fragment);
            return Optional.of(fragment);
        } finally {
            reading.unlock();
        }
    }

    /** The reader of the log of a session that this one is a fork of, over any number of forks. */
    private SessionLogReader log(String of) throws StoreException {
        SessionLogReader log = reader;
        while (!log.sessionUid().equals(of)) {
            log = log.source();
        }
        return log;
    }

    private static Fragment fragment(Chunk chunk) {
        return new Fragment(
                chunk.getChunk(),
                ChunkIndex.initName(chunk.getMedia().getInit()),
                chunk.getMedia().getFragment());
    }
}
