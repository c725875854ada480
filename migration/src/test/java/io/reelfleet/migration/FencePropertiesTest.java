package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.api.log.v1.LogEntry;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/**
 * Owners race on one log under every interleaving of their store operations that jqwik thinks of.
 */
class FencePropertiesTest {

    /** What became of an owner. */
    private record Outcome(String worker, long epoch, List<Long> published, boolean fenced) {}

    @Property(tries = 300)
    void chunksAreGaplessAndOnceAndTheLoserIsFenced(
            @ForAll @Size(min = 5, max = 120) List<@IntRange(max = 2) Integer> schedule,
            @ForAll @Size(max = 8) List<@IntRange(max = 60) Integer> lostAnswers,
            @ForAll @IntRange(min = 1, max = 6) int chunksEach)
            throws Exception {
        InterleavedStore store = new InterleavedStore(3, schedule, lostAnswers);
        List<Outcome> outcomes = new ArrayList<>();
        CountDownLatch done = new CountDownLatch(3);
        for (int i = 0; i < 3; i++) {
            int owner = i;
            // Two owners compete for epoch 2: the operator should not do that, and the log must
            // stand it.
            long epoch = Math.min(i + 1, 2);
            Thread.ofVirtual()
                    .start(
                            () -> {
                                store.become(owner);
                                try {
                                    Outcome outcome = run(store, "w" + owner, epoch, chunksEach);
                                    synchronized (outcomes) {
                                        outcomes.add(outcome);
                                    }
                                } finally {
                                    store.finished(owner);
                                    done.countDown();
                                }
                            });
        }
        done.await();
        assertThat(outcomes).hasSize(3);
        check(store, outcomes, chunksEach);
    }

    @Property(tries = 300)
    void rewindsOfRacingOwnersLeaveOneTimelineWhosePositionsHaveNoGap(
            @ForAll @Size(min = 5, max = 120) List<@IntRange(max = 2) Integer> schedule,
            @ForAll @Size(max = 8) List<@IntRange(max = 60) Integer> lostAnswers,
            @ForAll @Size(min = 1, max = 6) List<@IntRange(max = 9) Integer> back)
            throws Exception {
        InterleavedStore store = new InterleavedStore(3, schedule, lostAnswers);
        CountDownLatch done = new CountDownLatch(3);
        for (int i = 0; i < 3; i++) {
            int owner = i;
            Thread.ofVirtual()
                    .start(
                            () -> {
                                store.become(owner);
                                try {
                                    runBackAndForth(store, "w" + owner, owner + 1, back);
                                } finally {
                                    store.finished(owner);
                                    done.countDown();
                                }
                            });
        }
        done.await();

        Map<Long, Long> positions = new HashMap<>();
        long number = 0;
        long position = 0;
        long epoch = 0;
        for (LogEntry entry : SessionLogReader.fromStart(store.inner, "s").pollAll()) {
            assertThat(entry.getEpoch()).isGreaterThanOrEqualTo(epoch);
            epoch = entry.getEpoch();
            if (entry.hasRewind()) {
                position = positions.get(entry.getRewind().getChunk());
            } else if (entry.hasChunk()) {
                assertThat(entry.getChunk().getChunk()).isEqualTo(number);
                assertThat(number - entry.getChunk().getReplayed()).isEqualTo(position);
                positions.put(number++, position++);
            }
        }
        SessionLog last = SessionLog.open(store.inner, "s", Clock.systemUTC());
        assertThat(last.nextPosition()).isEqualTo(position);
        for (long p = 0; p < position; p++) {
            assertThat(positions.get(last.timeline().numberAt(p))).isEqualTo(p);
        }
    }

    private static void runBackAndForth(
            ChunkStore store, String worker, long epoch, List<Integer> back) {
        try {
            SessionLog log = retry(() -> SessionLog.open(store, "s", Clock.systemUTC()));
            retry(
                    () -> {
                        log.takeOver(epoch, SessionLogTest.owner(worker));
                        return log;
                    });
            int rewinds = 0;
            for (int each : back) {
                for (int i = 0; i < 2; i++) {
                    long k = log.nextChunk();
                    retry(() -> log.append(SessionLogTest.chunk(k)));
                }
                long to = Math.max(0, log.nextChunk() - 1 - each);
                String id = worker + "/" + rewinds++;
                retry(
                        () -> {
                            try {
                                return log.rewind(to, List.of(), id);
                            } catch (UnknownChunkException e) {
                                throw new AssertionError(e);
                            }
                        });
            }
        } catch (FencedException e) {
            // Another one has it now.
        }
    }

    private static void check(InterleavedStore store, List<Outcome> outcomes, int chunksEach)
            throws Exception {
        List<LogEntry> log = SessionLogReader.fromStart(store.inner, "s").pollAll();
        long nextChunk = 0;
        long epoch = 0;
        String owner = "";
        List<String> chunkOwners = new ArrayList<>();
        for (LogEntry entry : log) {
            assertThat(entry.getEpoch()).isGreaterThanOrEqualTo(epoch);
            if (entry.hasOwner()) {
                assertThat(entry.getEpoch()).as("epochs grow with each owner").isGreaterThan(epoch);
                assertThat(entry.getOwner().getNextChunk()).isEqualTo(nextChunk);
                owner = entry.getOwner().getWorker();
            } else {
                assertThat(entry.getEpoch()).isEqualTo(epoch);
                assertThat(entry.getChunk().getChunk()).isEqualTo(nextChunk++);
                chunkOwners.add(owner);
            }
            epoch = entry.getEpoch();
        }
        String last = owner;
        int published = 0;
        for (Outcome outcome : outcomes) {
            for (long k : outcome.published) {
                assertThat(chunkOwners.get((int) k)).isEqualTo(outcome.worker);
            }
            published += outcome.published.size();
            if (outcome.worker.equals(last)) {
                assertThat(outcome.fenced).isFalse();
                assertThat(outcome.published).hasSize(chunksEach);
            } else if (outcome.published.size() < chunksEach) {
                assertThat(outcome.fenced).isTrue();
            }
        }
        // A loser's last chunk may be stored without its knowledge (lost answer, then fenced),
        // never published twice.
        assertThat(published).isLessThanOrEqualTo((int) nextChunk);
    }

    private static Outcome run(ChunkStore store, String worker, long epoch, int chunks) {
        List<Long> published = new ArrayList<>();
        try {
            SessionLog log = retry(() -> SessionLog.open(store, "s", Clock.systemUTC()));
            retry(
                    () -> {
                        log.takeOver(epoch, SessionLogTest.owner(worker));
                        return log;
                    });
            for (int i = 0; i < chunks; i++) {
                long k = log.nextChunk();
                retry(
                        () -> {
                            log.append(SessionLogTest.chunk(k));
                            return log;
                        });
                published.add(k);
            }
            return new Outcome(worker, epoch, published, false);
        } catch (FencedException e) {
            return new Outcome(worker, epoch, published, true);
        }
    }

    private interface Attempt<T> {
        T run() throws StoreException, FencedException;
    }

    private static <T> T retry(Attempt<T> attempt) throws FencedException {
        while (true) {
            try {
                return attempt.run();
            } catch (LogCorruptException e) {
                throw new AssertionError(e);
            } catch (StoreException e) {
                // Unknown outcome: again.
            }
        }
    }

    /**
     * Lets one owner at a time do one store operation, in the order of a schedule, and loses some
     * answers.
     */
    private static final class InterleavedStore implements ChunkStore {
        final MemoryStore inner = new MemoryStore();
        private final ThreadLocal<Integer> me = new ThreadLocal<>();
        private final List<Semaphore> turns = new ArrayList<>();
        private final List<Integer> schedule;
        private final List<Integer> lostAnswers;
        private final boolean[] waiting;
        private final boolean[] gone;
        private int step;
        private int operation;

        InterleavedStore(int owners, List<Integer> schedule, List<Integer> lostAnswers) {
            this.schedule = schedule;
            this.lostAnswers = lostAnswers;
            this.waiting = new boolean[owners];
            this.gone = new boolean[owners];
            for (int i = 0; i < owners; i++) {
                turns.add(new Semaphore(0));
            }
        }

        void become(int owner) {
            me.set(owner);
        }

        synchronized void finished(int owner) {
            gone[owner] = true;
            next();
        }

        /** Once every owner waits or is gone, wakes the one whose turn it is. */
        private synchronized void next() {
            for (int i = 0; i < gone.length; i++) {
                if (!gone[i] && !waiting[i]) {
                    return;
                }
            }
            for (int tries = 0; tries < schedule.size() + gone.length; tries++) {
                int owner =
                        step < schedule.size()
                                ? schedule.get(step)
                                : (step - schedule.size()) % gone.length;
                step++;
                if (!gone[owner]) {
                    waiting[owner] = false;
                    turns.get(owner).release();
                    return;
                }
            }
        }

        private void await() {
            int owner = me.get();
            synchronized (this) {
                waiting[owner] = true;
                next();
            }
            turns.get(owner).acquireUninterruptibly();
        }

        @Override
        public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
            await();
            boolean created = inner.createIfAbsent(key, bytes);
            if (lostAnswers.contains(operation++)) {
                throw new StoreException("the answer was lost");
            }
            return created;
        }

        @Override
        public Optional<byte[]> read(String key) {
            await();
            return inner.read(key);
        }

        @Override
        public List<String> list(String prefix) {
            await();
            return inner.list(prefix);
        }

        @Override
        public void delete(String prefix) {
            inner.delete(prefix);
        }

        @Override
        public String location() {
            return inner.location();
        }
    }
}
