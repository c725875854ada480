package io.reelfleet.migration;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** What every chunk store promises. */
abstract class ChunkStoreContract {

    abstract ChunkStore store();

    @Test
    void whatWasCreatedIsReadBack() throws Exception {
        byte[] bytes = new byte[300_000];
        bytes[299_999] = 7;

        assertThat(store().createIfAbsent("sessions/a/log/0000000000", bytes)).isTrue();

        assertThat(store().read("sessions/a/log/0000000000")).hasValue(bytes);
    }

    @Test
    void aSecondCreateOfAKeyFailsAndChangesNothing() throws Exception {
        assertThat(store().createIfAbsent("sessions/b/log/0000000000", "one".getBytes(UTF_8)))
                .isTrue();

        assertThat(store().createIfAbsent("sessions/b/log/0000000000", "two".getBytes(UTF_8)))
                .isFalse();

        assertThat(store().read("sessions/b/log/0000000000")).hasValue("one".getBytes(UTF_8));
    }

    @Test
    void ofManyConcurrentCreatesExactlyOneWinsAndItsBytesStay() throws Exception {
        int writers = 8;
        for (int round = 0; round < 10; round++) {
            String key = "sessions/c/log/%010d".formatted(round);
            CyclicBarrier start = new CyclicBarrier(writers);
            List<Future<Boolean>> results = new ArrayList<>();
            try (var threads = Executors.newFixedThreadPool(writers)) {
                for (int writer = 0; writer < writers; writer++) {
                    byte[] bytes = ("writer " + writer).getBytes(UTF_8);
                    results.add(
                            threads.submit(
                                    () -> {
                                        start.await();
                                        return store().createIfAbsent(key, bytes);
                                    }));
                }
            }
            List<Integer> winners = new ArrayList<>();
            for (int writer = 0; writer < writers; writer++) {
                if (results.get(writer).get()) {
                    winners.add(writer);
                }
            }
            assertThat(winners).hasSize(1);
            assertThat(store().read(key))
                    .hasValue(("writer " + winners.getFirst()).getBytes(UTF_8));
        }
    }

    @Test
    void aKeyThatNobodyCreatedIsEmpty() throws Exception {
        assertThat(store().read("sessions/nobody/log/0000000000")).isEmpty();
        assertThat(store().list("sessions/nobody/")).isEmpty();
        assertThatCode(() -> store().delete("sessions/nobody/")).doesNotThrowAnyException();
    }

    @Test
    void listingIsSortedAndKeepsToThePrefix() throws Exception {
        for (String key :
                List.of(
                        "sessions/d/log/0000000002",
                        "sessions/d/log/0000000001",
                        "sessions/dd/log/0000000001")) {
            store().createIfAbsent(key, new byte[] {1});
        }

        assertThat(store().list("sessions/d/"))
                .containsExactly("sessions/d/log/0000000001", "sessions/d/log/0000000002");
        assertThat(store().list("sessions/d/log/")).hasSize(2);
    }

    @Test
    void deletingAPrefixLeavesItsNeighbours() throws Exception {
        store().createIfAbsent("sessions/e/log/0000000000", new byte[] {1});
        store().createIfAbsent("sessions/ee/log/0000000000", new byte[] {1});

        store().delete("sessions/e/");

        assertThat(store().list("sessions/e/")).isEmpty();
        assertThat(store().read("sessions/ee/log/0000000000")).isPresent();
        assertThat(store().createIfAbsent("sessions/e/log/0000000000", new byte[] {2})).isTrue();
    }

    @Test
    void aKeyCannotPointOutsideTheStore() {
        for (String key : List.of("../x", "/etc/passwd", "a//b", "a/../b", "", ".tmp/x")) {
            assertThatIllegalArgumentException()
                    .as(key)
                    .isThrownBy(() -> store().createIfAbsent(key, new byte[0]));
        }
    }

    @Test
    void theProbeFindsItSafeAndLeavesNothing() throws Exception {
        StoreProbe.check(store());

        assertThat(store().list("probe/")).isEmpty();
    }
}
