package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.session.v1.Control;
import io.reelfleet.api.session.v1.SessionSpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Logs that were rewound, forked, trimmed and deleted. */
class TimelinesTest {
    private final MemoryStore store = new MemoryStore();

    @Test
    void afterARewindNumbersGoOnAndPositionsBeginAgain() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 8);

        assertThat(log.rewind(3, List.of(), "a")).isTrue();

        assertThat(log.nextChunk()).isEqualTo(8);
        assertThat(log.nextPosition()).isEqualTo(3);
        append(log, 2);
        assertThat(entries("s"))
                .filteredOn(LogEntry::hasChunk)
                .extracting(e -> e.getChunk().getChunk() - e.getChunk().getReplayed())
                .containsExactly(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 3L, 4L);
        assertThat(log.chunkAt(2)).isEqualTo(log.chunk(2));
        assertThat(log.chunkAt(3)).isEqualTo(log.chunk(8));
    }

    @Test
    void aChunkThatWasLeftBehindCanBeReturnedToAndBringsItsOwnPastAlong() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 8);
        log.rewind(3, List.of(), "a");
        append(log, 4);
        // Chunk 6 is of the first timeline, whose chunks 3 to 5 are not those of the second.
        log.rewind(6, List.of(), "b");
        append(log, 1);

        assertThat(log.nextPosition()).isEqualTo(7);
        assertThat(LongStream.range(0, 7).map(log.timeline()::numberAt))
                .containsExactly(0L, 1L, 2L, 3L, 4L, 5L, 12L);
    }

    @Test
    void theNextOwnerGoesOnInTheRewoundTimelineAlsoBeforeItsFirstChunk() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 5);
        Control control = Control.newBuilder().setKind("prompt").setText("a square").build();
        log.rewind(2, List.of(control), "a");

        SessionLog next = taken("s", 2, "w2");

        assertThat(next.nextPosition()).isEqualTo(2);
        assertThat(next.unfinishedRewind())
                .hasValueSatisfying(r -> assertThat(r.getControlsList()).containsExactly(control));
        assertThat(next.rewind(2, List.of(), "a")).as("done already").isFalse();
        append(next, 1);
        assertThat(next.unfinishedRewind()).isEmpty();
        assertThat(taken("s", 3, "w3").timeline()).isEqualTo(next.timeline());
    }

    @Test
    void aRewindWhoseAnswerWasLostIsDoneOnce() throws Exception {
        AtomicInteger lose = new AtomicInteger();
        MemoryStore flaky =
                new MemoryStore() {
                    @Override
                    public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
                        boolean created = super.createIfAbsent(key, bytes);
                        if (lose.getAndDecrement() > 0) {
                            throw new StoreException("connection reset");
                        }
                        return created;
                    }
                };
        SessionLog log = SessionLog.open(flaky, "s", Clock.systemUTC());
        log.takeOver(1, owner("w1"));
        append(log, 3);
        lose.set(1);
        assertThatThrownBy(() -> log.rewind(1, List.of(), "a")).isInstanceOf(StoreException.class);

        log.rewind(1, List.of(), "a");
        append(log, 1);

        assertThat(SessionLogReader.fromStart(flaky, "s").pollAll())
                .filteredOn(LogEntry::hasRewind)
                .hasSize(1);
    }

    @Test
    void aRewindBeyondTheEndIsRefusedAndChangesNothing() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 3);

        assertThatThrownBy(() -> log.rewind(3, List.of(), "a"))
                .isInstanceOf(UnknownChunkException.class)
                .hasMessage("session s cannot go back to chunk 3: it has chunks 0 to 2 so far");
        assertThatThrownBy(() -> log.rewind(-1, List.of(), "a"))
                .isInstanceOf(UnknownChunkException.class);
        append(log, 1);
        assertThat(log.nextPosition()).isEqualTo(4);
    }

    @Test
    void onlyLogsThatNeedItAreWrittenInTheNewFormat() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 2);
        assertThat(entries("s")).extracting(LogEntry::getFormatVersion).containsOnly(1);
        log.rewind(1, List.of(), "a");
        append(log, 1);
        assertThat(entries("s"))
                .extracting(LogEntry::getFormatVersion)
                .containsExactly(1, 1, 1, 2, 2);
    }

    @Test
    void aForkGoesOnAfterItsSourcesChunksAndCopiesNone() throws Exception {
        SessionLog source = taken("s", 1, "w1");
        append(source, 6);

        SessionLog fork = fork("f", "s", 3);
        append(fork, 2);
        append(source, 1);

        assertThat(fork.nextChunk()).isEqualTo(6);
        assertThat(entries("f"))
                .extracting(e -> e.getBodyCase().name())
                .containsExactly("FORK", "OWNER", "CHUNK", "CHUNK");
        SessionLogReader reader = SessionLogReader.atEnd(store, "f");
        for (long k = 0; k < 6; k++) {
            LogEntry entry = reader.chunk(k).orElseThrow();
            assertThat(entry.getChunk().getChunk()).isEqualTo(k);
            assertThat(entry.getSessionUid()).isEqualTo(k <= 3 ? "s" : "f");
        }
        assertThat(reader.chunk(6)).isEmpty();
        assertThat(reader.nextChunk()).isEqualTo(6);
        assertThat(reader.newestOwner()).isPresent();
    }

    @Test
    void aForkOfAForkOfARewoundSessionKnowsItsWholePast() throws Exception {
        SessionLog source = taken("s", 1, "w1");
        append(source, 6);
        source.rewind(2, List.of(), "a");
        append(source, 3); // numbers 6, 7, 8 at positions 2, 3, 4
        SessionLog first = fork("f", "s", 7);
        append(first, 2); // 8, 9 at 4, 5
        SessionLog second = fork("g", "f", 8);

        assertThat(second.nextPosition()).isEqualTo(5);
        assertThat(LongStream.range(0, 5).map(second.timeline()::numberAt))
                .containsExactly(0L, 1L, 6L, 7L, 8L);
        assertThat(second.chunkAt(4).getLatents()).isEqualTo(first.chunk(8).getLatents());
        // A rewind of the fork may go back into what it took over.
        second.rewind(4, List.of(), "b");
        assertThat(second.nextChunk()).isEqualTo(9);
        assertThat(second.nextPosition()).isEqualTo(4);
        assertThat(LongStream.range(0, 4).map(second.timeline()::numberAt))
                .containsExactly(0L, 1L, 2L, 3L);
    }

    @Test
    void aForkIsFencedLikeAnySession() throws Exception {
        append(taken("s", 1, "w1"), 3);
        SessionLog old = fork("f", "s", 1);
        append(old, 1);
        SessionLog next = SessionLog.open(store, "f", Clock.systemUTC());
        next.forkFrom("s", 1, "team", 2);
        next.takeOver(2, owner("w2"));

        assertThat(next.nextChunk()).isEqualTo(3);
        assertThatThrownBy(() -> append(old, 1)).isInstanceOf(FencedException.class);
    }

    @Test
    void whatCannotBeForkedIsSaidInASentence() throws Exception {
        append(taken("s", 1, "w1"), 3);

        assertThatThrownBy(() -> fork("f", "nobody", 0))
                .isInstanceOf(UnknownChunkException.class)
                .hasMessage(
                        "spec.from.session: namespace team has no session nobody whose chunks are stored; write the name or uid of one that has");
        assertThatThrownBy(() -> fork("f", "s", 3))
                .hasMessage(
                        "spec.from.chunk: session s has chunks 0 to 2 so far; write a chunk from 0 to 2");
        SessionLog other = SessionLog.open(store, "f", Clock.systemUTC());
        assertThatThrownBy(() -> other.forkFrom("s", 1, "strangers", 1))
                .as("another namespace learns nothing")
                .hasMessageContaining("namespace strangers has no session s");
        assertThat(store.list("sessions/f/")).isEmpty();
        assertThat(store.list("sessions/s/forks/")).isEmpty();
        assertThat(store.list("sessions/nobody/")).isEmpty();
    }

    @Test
    void aLongLogWithRewindsIsReadWithFewReads() throws Exception {
        AtomicInteger reads = new AtomicInteger();
        MemoryStore counting =
                new MemoryStore() {
                    @Override
                    public java.util.Optional<byte[]> read(String key) {
                        reads.incrementAndGet();
                        return super.read(key);
                    }
                };
        SessionLog log = SessionLog.open(counting, "s", Clock.systemUTC());
        log.takeOver(1, owner("w1"));
        for (int part = 0; part < 5; part++) {
            append(log, 200);
            log.rewind(log.nextChunk() - 50, List.of(), "r" + part);
        }
        append(log, 200);

        reads.set(0);
        SessionLog opened = SessionLog.open(counting, "s", Clock.systemUTC());
        assertThat(opened.timeline()).isEqualTo(log.timeline());
        for (long p = opened.nextPosition() - 5; p < opened.nextPosition(); p++) {
            opened.chunkAt(p);
        }
        assertThat(reads.get()).isLessThan(60);
    }

    @Test
    void aTrimmedSessionIsReadWatchedAndTakenOverFromWhatIsKept() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 30);
        SessionLogReader early = SessionLogReader.atEnd(store, "s");

        assertThat(log.trim(20, Set.of(0L, 1L))).isEqualTo(19); // entry 0 and chunks 2 to 19

        append(log, 5);
        SessionLogReader reader = SessionLogReader.atEnd(store, "s");
        assertThat(reader.firstChunk()).isEqualTo(20);
        assertThat(reader.nextChunk()).isEqualTo(35);
        assertThat(reader.newestOwner()).isPresent();
        assertThat(reader.chunk(1)).isPresent();
        assertThat(reader.chunk(2)).isEmpty();
        assertThat(reader.chunk(19)).isEmpty();
        assertThat(reader.chunk(20)).isPresent();
        assertThat(reader.chunk(33)).isPresent();
        assertThat(early.chunk(25)).isPresent();
        assertThatThrownBy(() -> early.entry(5)).hasMessageContaining("no longer kept");
        SessionLog next = taken("s", 2, "w2");
        assertThat(next.nextChunk()).isEqualTo(35);
        assertThatThrownBy(() -> next.rewind(7, List.of(), "x"))
                .hasMessage(
                        "session s cannot go back to chunk 7: it is no longer kept; write one from 20 on");
        next.rewind(22, List.of(), "y");
        append(next, 10);
        assertThat(next.trim(36, List.of(20L, 21L))).isPositive();
        assertThat(taken("s", 3, "w3").chunkAt(21).getChunk()).isEqualTo(21);
    }

    @Test
    void whoLostTheSessionTrimsNothing() throws Exception {
        SessionLog old = taken("s", 1, "w1");
        append(old, 10);
        taken("s", 2, "w2");

        assertThatThrownBy(() -> old.trim(5, List.of())).isInstanceOf(FencedException.class);
        assertThat(SessionLogReader.atEnd(store, "s").chunk(0)).isPresent();
    }

    @Test
    void whatAForkRefersToIsNeitherTrimmedNorDeleted() throws Exception {
        SessionLog source = taken("s", 1, "w1");
        append(source, 10);
        SessionLog fork = fork("f", "s", 4);
        append(fork, 1);

        assertThat(source.trim(8, List.of())).isZero();
        source.end("Completed", "");
        Retention retention = retention(Duration.ofHours(25));
        assertThat(retention.sweep()).isZero();
        assertThat(SessionLogReader.atEnd(store, "f").chunk(0)).isPresent();
        assertThatThrownBy(() -> fork("late", "s", 2))
                .hasMessageContaining("spec.retention.afterFinished is over");

        fork.end("Completed", "");
        assertThat(retention(Duration.ofHours(50)).sweep()).as("fork and source").isEqualTo(2);
        assertThat(store.list("sessions/")).isEmpty();
    }

    @Test
    void endedSessionsOfThePoolGoWhenTheirTimeIsOverAndNoOthers() throws Exception {
        append(taken("live", 1, "w1"), 3);
        SessionLog ended = taken("ended", 1, "w1");
        append(ended, 3);
        ended.end("Completed", "");
        SessionLog foreign = SessionLog.open(store, "foreign", Clock.systemUTC());
        foreign.takeOver(
                1,
                owner("w1").toBuilder()
                        .setSpec(SessionSpec.newBuilder().setPool("team/other"))
                        .build());
        foreign.end("Completed", "");

        assertThat(retention(Duration.ofHours(23)).sweep()).isZero();
        assertThat(retention(Duration.ofHours(25)).sweep()).isEqualTo(1);
        assertThat(store.folders("sessions/")).containsExactly("foreign", "live");
    }

    @Test
    void aDeletionThatBreaksOffAnywhereIsFinishedByTheNextRoundAndNeverShowsAShorterSession()
            throws Exception {
        for (int objects = 0; objects < 9; objects++) {
            int mayGo = objects;
            AtomicInteger left = new AtomicInteger(Integer.MAX_VALUE);
            MemoryStore dying =
                    new MemoryStore() {
                        @Override
                        public void deleteAll(List<String> keys) throws StoreException {
                            for (String key : keys) {
                                if (left.decrementAndGet() < 0) {
                                    throw new StoreException("the worker died");
                                }
                                delete(key);
                            }
                        }
                    };
            SessionLog log = SessionLog.open(dying, "s", Clock.systemUTC());
            log.takeOver(1, owner("w1"));
            append(log, 5);
            log.end("Completed", "");
            left.set(mayGo);
            try {
                new Retention(
                                dying,
                                "team/pool",
                                "w1",
                                Duration.ofHours(24),
                                Duration.ofMinutes(10),
                                later(Duration.ofHours(25)))
                        .sweep();
            } catch (StoreException e) {
                assertThat(e).hasMessage("the worker died");
            }
            List<String> rest = dying.list("sessions/s/log/");
            if (!rest.isEmpty()) {
                SessionLog half = SessionLog.open(dying, "s", Clock.systemUTC());
                assertThat(half.ended()).as("after %d objects", mayGo).isTrue();
                assertThat(half.takeOverAt(2, owner("w2"), half.nextChunk())).isFalse();
            }
            left.set(Integer.MAX_VALUE);
            new Retention(
                            dying,
                            "team/pool",
                            "w2",
                            Duration.ofHours(24),
                            Duration.ofMinutes(10),
                            later(Duration.ofHours(25)))
                    .sweep();
            assertThat(dying.list("")).isEmpty();
        }
    }

    @Test
    void aLogWithoutAnEndIsDeletedOnlyOnceWhoKnowsSaysThatNobodyWantsIt() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        append(log, 1);
        assertThat(retention(Duration.ofHours(23)).sweep()).isZero();
        Retention young = retention(Duration.ofHours(23));
        young.sweep();
        assertThat(young.unended()).isEmpty();

        Retention old = retention(Duration.ofHours(25));
        assertThat(old.sweep()).isZero();
        assertThat(old.unended()).containsExactly(new Retention.Unended("s", 1));
        assertThat(old.sweep()).as("it may be suspended").isZero();

        log.takeOver(2, owner("w2"));
        assertThat(old.abandon(new Retention.Unended("s", 1))).as("somebody goes on").isFalse();
        assertThat(retention(Duration.ofHours(25)).abandon(new Retention.Unended("s", 2))).isTrue();
        assertThat(SessionLogReader.atEnd(store, "s").end()).isPresent();
        assertThat(old.unended()).isEmpty();
        assertThatThrownBy(() -> append(log, 1)).isInstanceOf(FencedException.class);

        assertThat(retention(Duration.ofHours(30)).sweep()).as("its time begins").isZero();
        Retention shorter = retention(Duration.ofHours(30));
        shorter.keepFor(Duration.ofHours(4));
        assertThat(shorter.sweep()).isEqualTo(1);
        assertThat(store.list("sessions/")).isEmpty();
    }

    @Test
    void ofEachRoundOneWorkerDeletes() throws Exception {
        List<Retention> workers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            workers.add(retention(Duration.ZERO));
        }
        int turns = 0;
        for (Retention each : workers) {
            turns += each.myTurn() ? 1 : 0;
        }
        assertThat(turns).isEqualTo(1);
        assertThat(retention(Duration.ofMinutes(10)).myTurn()).isTrue();
        assertThat(store.list("retention/")).as("old rounds leave nothing").hasSize(1);
    }

    private Retention retention(Duration later) {
        return new Retention(
                store,
                "team/pool",
                "w1",
                Duration.ofHours(24),
                Duration.ofMinutes(10),
                later(later));
    }

    private static Clock later(Duration by) {
        return Clock.fixed(START.plus(by), ZoneOffset.UTC);
    }

    private static final Instant START = Instant.now();

    private SessionLog taken(String uid, long epoch, String worker) throws Exception {
        SessionLog log = SessionLog.open(store, uid, Clock.systemUTC());
        log.takeOver(epoch, owner(worker));
        return log;
    }

    private SessionLog fork(String uid, String source, long chunk) throws Exception {
        SessionLog log = SessionLog.open(store, uid, Clock.systemUTC());
        log.forkFrom(source, chunk, "team", 1);
        log.takeOver(1, owner("w1"));
        return log;
    }

    private static void append(SessionLog log, int chunks) throws Exception {
        for (int i = 0; i < chunks; i++) {
            Chunk chunk = SessionLogTest.chunk(log.nextChunk());
            log.append(chunk);
        }
    }

    private List<LogEntry> entries(String uid) throws Exception {
        return SessionLogReader.fromStart(store, uid).pollAll();
    }

    private static Owner owner(String worker) {
        return SessionLogTest.owner(worker).toBuilder()
                .setSpec(SessionSpec.newBuilder().setPool("team/pool").setNamespace("team"))
                .build();
    }
}
