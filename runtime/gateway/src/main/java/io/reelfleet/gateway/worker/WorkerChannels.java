package io.reelfleet.gateway.worker;

import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.reelfleet.gateway.tls.PartsTls;
import io.reelfleet.process.StartupProblem;
import jakarta.annotation.PreDestroy;
import jakarta.inject.Singleton;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/**
 * Connections to workers by endpoint, opened when first needed, closed when others need the room.
 */
@Singleton
class WorkerChannels {
    private static final Logger LOG = Logger.getLogger(WorkerChannels.class);
    private static final int MOST = 512;

    private final PartsTls tls;
    private final Map<String, ManagedChannel> channels = new LinkedHashMap<>(64, 0.75f, true);

    WorkerChannels(PartsTls tls) {
        this.tls = tls;
    }

    /** A connection to {@code endpoint} (host:port). */
    ManagedChannel to(String endpoint) {
        List<ManagedChannel> old = new ArrayList<>();
        ManagedChannel channel;
        synchronized (channels) {
            channel = channels.computeIfAbsent(endpoint, this::open);
            while (channels.size() > MOST) {
                var eldest = channels.entrySet().iterator();
                old.add(eldest.next().getValue());
                eldest.remove();
            }
        }
        old.forEach(ManagedChannel::shutdown);
        return channel;
    }

    private ManagedChannel open(String endpoint) {
        int colon = endpoint.lastIndexOf(':');
        if (colon <= 0) {
            throw Status.UNAVAILABLE
                    .withDescription("The session's worker has no endpoint.")
                    .asRuntimeException();
        }
        try {
            tls.check(endpoint.substring(0, colon).replaceAll("[\\[\\]]", ""));
            return Grpc.newChannelBuilder(endpoint, tls.channelCredentials())
                    .idleTimeout(1, TimeUnit.MINUTES)
                    .keepAliveTime(30, TimeUnit.SECONDS)
                    .build();
        } catch (StartupProblem e) {
            LOG.warnf("worker at %s: %s", endpoint, e.getMessage());
            throw Status.UNAVAILABLE
                    .withDescription("The session's worker cannot be reached.")
                    .withCause(e)
                    .asRuntimeException();
        }
    }

    @PreDestroy
    void close() {
        synchronized (channels) {
            channels.values().forEach(ManagedChannel::shutdownNow);
            channels.clear();
        }
    }
}
