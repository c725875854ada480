package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every store promises, over S3 with an atomic conditional create; and S3 on a bad day. */
class S3StoreTest extends ChunkStoreContract {
    private static final String[] SETTINGS = {
        "aws.endpointUrlS3", "aws.accessKeyId", "aws.secretAccessKey", "aws.region"
    };
    private S3Server server;
    private ChunkStore store;

    @BeforeAll
    static void credentials() {
        System.setProperty("aws.accessKeyId", "key");
        System.setProperty("aws.secretAccessKey", "secret");
        System.setProperty("aws.region", "us-east-1");
    }

    @AfterAll
    static void forget() {
        for (String setting : SETTINGS) {
            System.clearProperty(setting);
        }
    }

    @BeforeEach
    void start() throws Exception {
        server = new S3Server();
        System.setProperty("aws.endpointUrlS3", server.endpoint());
        store = ChunkStores.open("s3://reels/here");
    }

    @AfterEach
    void stop() {
        store.close();
        server.close();
    }

    @Override
    ChunkStore store() {
        return store;
    }

    @Test
    void foldersAreListedWithoutWhatIsInThem() throws Exception {
        for (String uid : List.of("a", "b", "c", "d", "e")) {
            for (int n = 0; n < 5; n++) {
                store.createIfAbsent("sessions/%s/log/%010d".formatted(uid, n), new byte[1]);
            }
        }
        server.requests.set(0);

        assertThat(store.folders("sessions/")).containsExactly("a", "b", "c", "d", "e");
        assertThat(server.requests.get()).as("pages of folders, not of entries").isEqualTo(2);
    }

    @Test
    void ofManyOwnersThatRaceForASessionOneWritesEachEntry() throws Exception {
        int owners = 6;
        CyclicBarrier start = new CyclicBarrier(owners);
        List<Future<Integer>> results = new ArrayList<>();
        try (var threads = Executors.newFixedThreadPool(owners)) {
            for (int i = 0; i < owners; i++) {
                int epoch = i + 1;
                results.add(
                        threads.submit(
                                () -> {
                                    SessionLog log = SessionLog.open(store, "s", Clock.systemUTC());
                                    start.await();
                                    int stored = 0;
                                    try {
                                        log.takeOver(epoch, SessionLogTest.owner("w" + epoch));
                                        for (; stored < 10; stored++) {
                                            log.append(SessionLogTest.chunk(log.nextChunk()));
                                        }
                                    } catch (FencedException e) {
                                        // Somebody with a higher epoch has it.
                                    }
                                    return stored;
                                }));
            }
        }
        int stored = 0;
        for (Future<Integer> each : results) {
            stored += each.get();
        }
        SessionLogReader log = SessionLogReader.atEnd(store, "s");
        assertThat(log.nextChunk()).isEqualTo(stored);
        assertThat(log.newestOwner().orElseThrow().getEpoch()).isEqualTo(owners);
    }

    @Test
    void aServerThatIsBusyIsAskedAgain() throws Exception {
        server.failWith(503, "SlowDown", 2);

        assertThat(store.createIfAbsent("sessions/s/log/0000000000", new byte[] {1})).isTrue();

        assertThat(server.requests.get()).isEqualTo(3);
    }

    @Test
    void aCreateWhoseAnswerIsLostIsNotTakenForAnotherOwners() throws Exception {
        SessionLog log = SessionLog.open(store, "s", Clock.systemUTC());
        log.takeOver(1, SessionLogTest.owner("w1"));
        server.loseAnswers(true);
        try {
            log.append(SessionLogTest.chunk(0));
        } catch (StoreException e) {
            // The connection broke each time; the session's writer tries again.
        }
        server.loseAnswers(false);
        if (log.nextChunk() == 0) {
            log.append(SessionLogTest.chunk(0));
        }

        assertThat(SessionLogReader.atEnd(store, "s").nextChunk()).isEqualTo(1);
        assertThat(store.list("sessions/s/log/")).hasSize(2);
    }

    @Test
    void whatTheServerRefusesIsSaidInASentence() {
        server.failWith(503, "SlowDown", 100);
        assertThatThrownBy(() -> store.createIfAbsent("sessions/s/log/0000000000", new byte[1]))
                .isInstanceOf(StoreException.class)
                .hasMessageStartingWith(
                        "the chunk store s3://reels/here/ cannot be written (sessions/s/log/0000000000): it is busy (503 SlowDown)");
        server.failWith(403, "AccessDenied", 100);
        assertThatThrownBy(() -> store.createIfAbsent("sessions/s/log/0000000000", new byte[1]))
                .isInstanceOf(StoreException.class)
                .hasMessage(
                        "the chunk store s3://reels/here/ cannot be written (sessions/s/log/0000000000): its server refuses these credentials (403 AccessDenied); let them get, put, list and delete there");
        assertThatThrownBy(() -> store.read("sessions/s/log/0000000000"))
                .hasMessageContaining("cannot be read")
                .hasMessageContaining("403 AccessDenied");
        assertThatThrownBy(() -> store.list("sessions/")).hasMessageContaining("cannot be listed");
        server.failWith(507, "InsufficientStorage", 100);
        assertThatThrownBy(() -> store.createIfAbsent("sessions/s/log/0000000000", new byte[1]))
                .isInstanceOf(StoreFullException.class);
    }

    @Test
    void aServerThatDoesNotAnswerIsGivenUpAfterAWhile() throws Exception {
        try (ChunkStore hasty =
                new S3Store("reels", "here", Duration.ofMillis(300), Duration.ofSeconds(2))) {
            server.stall();
            long before = System.nanoTime();
            assertThatThrownBy(() -> hasty.read("sessions/s/log/0000000000"))
                    .isInstanceOf(StoreException.class)
                    .hasMessageContaining("the chunk store s3://reels/here/ cannot be read")
                    .hasMessageContaining("does not answer in time");
            assertThat(Duration.ofNanos(System.nanoTime() - before))
                    .isLessThan(Duration.ofSeconds(10));
        }
    }
}
