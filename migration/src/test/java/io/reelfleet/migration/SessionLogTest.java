package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.reelfleet.api.log.v1.Chunk;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.api.log.v1.Owner;
import io.reelfleet.api.log.v1.Tensor;
import java.time.Clock;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class SessionLogTest {

    private final MemoryStore store = new MemoryStore();

    @Test
    void anOwnerAppendsAndAReaderFollows() throws Exception {
        SessionLogReader reader = SessionLogReader.fromStart(store, "s");
        assertThat(reader.poll()).isEmpty();

        SessionLog log = taken("s", 1, "w1");
        assertThat(reader.poll())
                .hasValueSatisfying(e -> assertThat(e.getOwner().getWorker()).isEqualTo("w1"));
        assertThat(reader.poll()).isEmpty();

        log.append(chunk(0));
        log.append(chunk(1));
        assertThat(reader.pollAll())
                .extracting(e -> e.getChunk().getChunk())
                .containsExactly(0L, 1L);

        log.end("Completed", "max_chunks reached");
        assertThat(reader.poll())
                .hasValueSatisfying(e -> assertThat(e.getEnd().getReason()).isEqualTo("Completed"));
        assertThat(reader.end()).isPresent();
    }

    @Test
    void aNewOwnerGoesOnWithTheNextNumberAndTheOldOneIsFenced() throws Exception {
        SessionLog old = taken("s", 1, "w1");
        old.append(chunk(0));

        SessionLog next = taken("s", 2, "w2");
        assertThat(next.nextChunk()).isEqualTo(1);
        next.append(chunk(1));

        assertThatThrownBy(() -> old.append(chunk(1)))
                .isInstanceOf(FencedException.class)
                .hasMessage("session s: epoch 1 is over, epoch 2 belongs to w2");
    }

    @Test
    void whoWasFencedOnceWritesNothingMoreWhateverItTries() throws Exception {
        SessionLog old = taken("s", 1, "w1");
        for (int k = 0; k < 10; k++) {
            old.append(chunk(k));
        }
        taken("s", 2, "w2");

        assertThatThrownBy(() -> old.trim(5, java.util.List.of()))
                .isInstanceOf(FencedException.class);
        assertThatThrownBy(() -> old.append(chunk(10))).isInstanceOf(FencedException.class);
        assertThatThrownBy(() -> old.rewind(2, java.util.List.of(), "x"))
                .isInstanceOf(FencedException.class);
        assertThatThrownBy(() -> old.end("Completed", "")).isInstanceOf(FencedException.class);
        assertThat(store.list("sessions/s/log/")).hasSize(12);
    }

    @Test
    void anEpochThatIsNotHigherCannotTakeOver() throws Exception {
        taken("s", 5, "w1");

        assertThatThrownBy(() -> taken("s", 4, "w2")).isInstanceOf(FencedException.class);
        assertThatThrownBy(() -> taken("s", 5, "w2")).isInstanceOf(FencedException.class);
        assertThat(taken("s", 5, "w1").epoch()).as("a repeated take-over is accepted").isEqualTo(5);
        assertThat(store.list("sessions/s/")).hasSize(1);
    }

    @Test
    void anAppendWhoseAnswerWasLostIsAcceptedWhenTriedAgain() throws Exception {
        AtomicBoolean loseAnswer = new AtomicBoolean();
        MemoryStore flaky =
                new MemoryStore() {
                    @Override
                    public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
                        boolean created = super.createIfAbsent(key, bytes);
                        if (loseAnswer.getAndSet(false)) {
                            throw new StoreException("connection reset");
                        }
                        return created;
                    }
                };
        SessionLog log = SessionLog.open(flaky, "s", Clock.systemUTC());
        log.takeOver(1, owner("w1"));

        loseAnswer.set(true);
        assertThatThrownBy(() -> log.append(chunk(0))).isInstanceOf(StoreException.class);
        log.append(chunk(0).toBuilder().setLatencyS(2).build());
        log.append(chunk(1));

        assertThat(SessionLogReader.fromStart(flaky, "s").pollAll()).hasSize(3);
    }

    @Test
    void anyChunkAndTheNewestOwnerOfALongLogAreFoundWithFewReads() throws Exception {
        AtomicInteger reads = new AtomicInteger();
        MemoryStore counting =
                new MemoryStore() {
                    @Override
                    public java.util.Optional<byte[]> read(String key) {
                        reads.incrementAndGet();
                        return super.read(key);
                    }
                };
        long epoch = 0;
        for (int part = 0; part < 5; part++) {
            SessionLog log = SessionLog.open(counting, "s", Clock.systemUTC());
            log.takeOver(++epoch, owner("w" + epoch));
            for (int i = 0; i < 200; i++) {
                log.append(chunk(log.nextChunk()));
            }
        }

        for (long k : new long[] {0, 1, 199, 200, 201, 555, 998, 999}) {
            reads.set(0);
            SessionLogReader reader = SessionLogReader.atEnd(counting, "s");
            assertThat(reader.chunk(k))
                    .hasValueSatisfying(e -> assertThat(e.getChunk().getChunk()).isEqualTo(k));
            assertThat(reads.get()).isLessThan(16);
        }
        reads.set(0);
        SessionLogReader reader = SessionLogReader.atEnd(counting, "s");
        assertThat(reader.chunk(1000)).isEmpty();
        assertThat(reader.nextChunk()).isEqualTo(1000);
        assertThat(reader.newestOwner())
                .hasValueSatisfying(e -> assertThat(e.getEpoch()).isEqualTo(5));
        assertThat(reader.newestChunks(3))
                .extracting(Chunk::getChunk)
                .containsExactly(997L, 998L, 999L);
        assertThat(reads.get()).isLessThan(40);
    }

    @Test
    void anEndedLogTakesNoNewOwner() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        log.end("Deleted", "");

        SessionLog next = SessionLog.open(store, "s", Clock.systemUTC());
        next.takeOver(2, owner("w2"));

        assertThat(next.ended()).isTrue();
        assertThat(store.list("sessions/s/")).hasSize(2);
    }

    @Test
    void aNewerFormatIsRefusedWithWhatToDo() throws Exception {
        LogEntry future =
                LogEntry.newBuilder().setFormatVersion(3).setSessionUid("s").setIndex(0).build();
        store.put("sessions/s/log/0000000000", future.toByteArray());

        assertThatThrownBy(() -> SessionLogReader.fromStart(store, "s").poll())
                .isInstanceOf(LogCorruptException.class)
                .hasMessageContaining("format 3")
                .hasMessageContaining("upgrade");
    }

    @Test
    void aGapIsReported() throws Exception {
        SessionLog log = taken("s", 1, "w1");
        log.append(chunk(0));
        log.append(chunk(1));
        store.delete("sessions/s/log/0000000001");

        assertThatThrownBy(() -> SessionLogReader.atEnd(store, "s").chunk(0))
                .isInstanceOf(LogCorruptException.class)
                .hasMessageContaining("no entry 1");
    }

    private SessionLog taken(String uid, long epoch, String worker) throws Exception {
        SessionLog log = SessionLog.open(store, uid, Clock.systemUTC());
        log.takeOver(epoch, owner(worker));
        return log;
    }

    static Owner owner(String worker) {
        return Owner.newBuilder().setWorker(worker).setEndpoint("127.0.0.1:1").build();
    }

    static Chunk chunk(long k) {
        return Chunk.newBuilder()
                .setChunk(k)
                .setLatents(Tensor.newBuilder().setData(ByteString.copyFromUtf8("chunk " + k)))
                .build();
    }
}
