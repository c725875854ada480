package io.reelfleet.gateway.follow;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.reelfleet.gateway.testing.MemoryStore;
import io.reelfleet.gateway.testing.SyntheticSession;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class SessionTailsTest {
    private static final Duration LONG = Duration.ofSeconds(10);

    private final MemoryStore store = new MemoryStore();
    private final SimpleMeterRegistry metrics = new SimpleMeterRegistry();
    private final SyntheticSession session = new SyntheticSession(store, "s", "a red circle");

    private SessionTails tails(long cacheBytes, Duration linger) {
        return new SessionTails(store, cacheBytes, linger, metrics);
    }

    private double polls() {
        return metrics.counter("reelfleet_gateway_log_polls").count();
    }

    @Test
    void manyViewersCostTheStoreAsMuchAsOne() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1);
        SessionTails tails = tails(1 << 20, LONG);
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> viewers = new ArrayList<>();
            for (int v = 0; v < 200; v++) {
                viewers.add(executor.submit(watchTen(tails)));
            }
            long before = store.reads();
            session.chunks(10);
            int bytes = viewers.getFirst().get();
            for (Future<Integer> viewer : viewers) {
                assertThat(viewer.get()).isEqualTo(bytes).isPositive();
            }
            // Ten chunks, and perhaps the owner: once, not 200 times.
            assertThat(store.reads() - before).isLessThan(15);
        }
        assertThat(tails.size()).isEqualTo(1);
    }

    private static Callable<Integer> watchTen(SessionTails tails) {
        return () -> {
            int bytes = 0;
            try (SessionTails.Watch watch = tails.watch("s")) {
                for (long k = 0; k < 10; k++) {
                    watch.tail().awaitChunk(k, LONG);
                    bytes += watch.tail().fragment(k).orElseThrow().bytes().size();
                }
            }
            return bytes;
        };
    }

    @Test
    void nobodyPollsWhatNobodyWatches() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(1);
        SessionTails tails = tails(1 << 20, Duration.ZERO);
        try (SessionTails.Watch watch = tails.watch("s")) {
            assertThat(watch.tail().index().nextChunk()).isEqualTo(1);
        }
        until(() -> tails.size() == 0);
        double then = polls();
        try (SessionTails.Watch other = tails.watch("t")) {
            other.tail().index();
        }
        until(() -> tails.size() == 0);
        assertThat(polls() - then).isLessThanOrEqualTo(8);
        // It can be watched again.
        try (SessionTails.Watch watch = tails.watch("s")) {
            session.chunks(1);
            assertThat(watch.tail().awaitChunk(1, LONG).nextChunk()).isEqualTo(2);
        }
    }

    @Test
    void oldMediaLeavesMemoryAndIsReadAgain() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(60);
        SessionTails tails = tails(10_000, LONG);
        try (SessionTails.Watch watch = tails.watch("s")) {
            watch.tail().index();
            for (int round = 0; round < 2; round++) {
                for (long k = 0; k < 60; k++) {
                    assertThat(watch.tail().fragment(k)).isPresent();
                }
            }
        }
        assertThat(metrics.get("reelfleet_gateway_cache_bytes").gauge().value())
                .isLessThanOrEqualTo(10_000);
    }

    @Test
    void aStoreThatIsDownDelaysAndLosesNothing() throws Exception {
        session.owner("w-1", "127.0.0.1:1", 1).chunks(2);
        SessionTails tails = tails(1 << 20, LONG);
        try (SessionTails.Watch watch = tails.watch("s")) {
            watch.tail().awaitChunk(1, LONG);
            store.down(true);
            assertThat(watch.tail().awaitChunk(2, Duration.ofMillis(300)).nextChunk()).isEqualTo(2);
            store.down(false);
            session.chunks(1);
            assertThat(watch.tail().awaitChunk(2, LONG).nextChunk()).isEqualTo(3);
        }
    }

    @Test
    void aSessionWithoutALogYetIsWaitedFor() throws Exception {
        SessionTails tails = tails(1 << 20, LONG);
        try (SessionTails.Watch watch = tails.watch("s")) {
            assertThat(watch.tail().index().owner()).isEmpty();
            session.owner("w-1", "127.0.0.1:1", 1).chunks(1).end();
            assertThat(watch.tail().awaitChunk(5, LONG).end()).isPresent();
        }
    }

    private static void until(BooleanSupplier condition) throws InterruptedException {
        while (!condition.getAsBoolean()) {
            Thread.sleep(5);
        }
    }
}
