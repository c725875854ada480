package io.reelfleet.gateway.follow;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.migration.ChunkStore;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;

/**
 * One {@link SessionTail} for each session that somebody watches, gone when nobody has for a while.
 */
@Singleton
public class SessionTails {
    private final ChunkStore store;
    private final Duration linger;
    private final FragmentCache cache;
    private final ConcurrentHashMap<String, Held> tails = new ConcurrentHashMap<>();
    private final Counter polls;

    @Inject
    SessionTails(ChunkStore store, GatewaySettings settings, MeterRegistry metrics) {
        this(store, settings.cacheBytes(), settings.linger(), metrics);
    }

    SessionTails(ChunkStore store, long cacheBytes, Duration linger, MeterRegistry metrics) {
        this.store = store;
        this.linger = linger;
        this.cache = new FragmentCache(cacheBytes);
        this.polls = metrics.counter("reelfleet_gateway_log_polls");
        metrics.gaugeMapSize("reelfleet_gateway_sessions_watched", java.util.List.of(), tails);
        metrics.gauge("reelfleet_gateway_cache_bytes", cache, FragmentCache::bytes);
    }

    /** A viewer's hold on a tail; closing it lets go. */
    public final class Watch implements AutoCloseable {
        private final Held held;
        private boolean open = true;

        private Watch(Held held) {
            this.held = held;
        }

        public SessionTail tail() {
            return held.tail;
        }

        @Override
        public synchronized void close() {
            if (open) {
                open = false;
                held.release();
            }
        }
    }

    private static final class Held {
        private final SessionTail tail;
        private int watchers;
        private long idleSince = System.nanoTime();

        Held(SessionTail tail) {
            this.tail = tail;
        }

        synchronized void take() {
            watchers++;
        }

        synchronized void release() {
            watchers--;
            idleSince = System.nanoTime();
        }

        synchronized boolean idleFor(Duration time) {
            return watchers == 0 && System.nanoTime() - idleSince > time.toNanos();
        }
    }

    /**
     * Watches a session, which need not have a log yet. Requests in a row share one tail: it stays
     * for a while.
     */
    public Watch watch(String uid) {
        Held held =
                tails.compute(
                        uid,
                        (u, known) -> {
                            Held now = known == null ? start(u) : known;
                            now.take();
                            return now;
                        });
        return new Watch(held);
    }

    private Held start(String uid) {
        Held held = new Held(new SessionTail(store, uid, cache, polls::increment));
        Thread.ofVirtual().name("tail-" + uid).start(() -> held.tail.follow(() -> watched(held)));
        return held;
    }

    private boolean watched(Held held) {
        if (!held.idleFor(linger)) {
            return true;
        }
        // Under the map's lock for this key nobody can take it meanwhile.
        return tails.computeIfPresent(
                        held.tail.uid(),
                        (u, known) -> known == held && held.idleFor(linger) ? null : known)
                == held;
    }

    /** How many sessions are followed now. */
    int size() {
        return tails.size();
    }
}
