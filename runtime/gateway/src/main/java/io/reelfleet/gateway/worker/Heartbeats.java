package io.reelfleet.gateway.worker;

import io.grpc.StatusRuntimeException;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.gateway.follow.SessionTails;
import jakarta.inject.Singleton;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;
import org.jboss.logging.Logger;

/**
 * Viewers' heartbeats on their way to the owner: of each viewer only the newest matters, and one is
 * under way at a time.
 *
 * <p>A plain HLS player sends none. For it each segment it asks for counts, as long as nobody with
 * the same token says better.
 */
@Singleton
public class Heartbeats {
    private static final Logger LOG = Logger.getLogger(Heartbeats.class);
    private static final Duration FORGET = Duration.ofSeconds(30);
    private static final int MOST = 100_000;

    private final SessionTails tails;
    private final OwnerCalls owners;
    private final ConcurrentHashMap<Key, Pulse> pulses = new ConcurrentHashMap<>();

    private record Key(String uid, String viewer) {}

    /** What is known of one viewer. */
    private static final class Pulse {
        private double played;
        private boolean waiting;
        private boolean running;
        private boolean explicit;
        private long at;
    }

    Heartbeats(SessionTails tails, OwnerCalls owners) {
        this.tails = tails;
        this.owners = owners;
    }

    /** A viewer says that it has played this many seconds. */
    public void played(String uid, String viewer, double seconds) {
        beat(uid, viewer, seconds, true);
    }

    /** A viewer fetched the segment that begins at this many seconds. */
    public void fetched(String uid, String viewer, double seconds) {
        beat(uid, viewer, seconds, false);
    }

    private void beat(String uid, String viewer, double seconds, boolean explicit) {
        Key key = new Key(uid, viewer);
        if (pulses.size() >= MOST) {
            forget();
        }
        Pulse pulse = pulses.computeIfAbsent(key, k -> new Pulse());
        synchronized (pulse) {
            long now = System.nanoTime();
            boolean fresh = pulse.explicit && now - pulse.at < FORGET.toNanos();
            if (fresh && !explicit) {
                return;
            }
            pulse.explicit = explicit;
            pulse.at = now;
            pulse.played = seconds;
            pulse.waiting = true;
            if (pulse.running) {
                return;
            }
            pulse.running = true;
        }
        Thread.ofVirtual().name("heartbeat-" + uid).start(() -> send(key, pulse));
    }

    private void send(Key key, Pulse pulse) {
        while (true) {
            double played;
            synchronized (pulse) {
                if (!pulse.waiting) {
                    pulse.running = false;
                    return;
                }
                pulse.waiting = false;
                played = pulse.played;
            }
            try (SessionTails.Watch watch = tails.watch(key.uid())) {
                owners.heartbeat(
                        watch.tail(),
                        HeartbeatRequest.newBuilder()
                                .setSessionUid(key.uid())
                                .setViewer(key.viewer())
                                .setPlayedS(played)
                                .build());
            } catch (StatusRuntimeException e) {
                LOG.debugf("session %s: no heartbeat: %s", key.uid(), e.getStatus());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private void forget() {
        long now = System.nanoTime();
        pulses.values().removeIf(pulse -> idle(pulse, now));
    }

    private static boolean idle(Pulse pulse, long now) {
        synchronized (pulse) {
            return !pulse.running && now - pulse.at > FORGET.toNanos();
        }
    }
}
