package io.reelfleet.operator.leadership;

import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jboss.logging.Logger;

/**
 * Leadership by a Lease; the term is the Lease's number of transitions plus one. Somebody leads
 * only after the write that says so has succeeded, each write is conditional on the version that
 * was read, and an instance never takes a Lease back that it held in an earlier life: so no two
 * leaders share a term. (The client library's own elector calls back before its write, see
 * fabric8io/kubernetes-client issue 7350.)
 */
public final class LeaseLeadership implements Leadership {
    private static final Logger LOG = Logger.getLogger(LeaseLeadership.class);

    /** Annotation of the Lease: where its holder is called. */
    private static final String ENDPOINT = "reelfleet.io/endpoint";

    /**
     * How long a Lease is good for after its last renewal, how long a leader tries to renew it, how
     * often it tries.
     */
    public record Timing(Duration lease, Duration renewWithin, Duration retry) {
        /** As Kubernetes' own controllers have it. */
        public static final Timing USUAL =
                new Timing(Duration.ofSeconds(15), Duration.ofSeconds(10), Duration.ofSeconds(2));
    }

    private final KubernetesClient client;
    private final String namespace;
    private final String lease;
    private final String identity;
    private final Optional<String> endpoint;
    private final Timing timing;
    private final Clock clock;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("leadership").factory());

    private LongConsumer leads;
    private Runnable lost;
    private boolean leading;
    private boolean closed;
    private long renewedAt;
    private ZonedDateTime observedRenewal;
    private long observedAt;
    private volatile String holder = "";
    private volatile Optional<String> holderEndpoint = Optional.empty();

    /**
     * @param name how this operator calls itself, for people
     * @param endpoint {@code host:port} that standbys call this operator by, once it leads
     */
    public LeaseLeadership(
            KubernetesClient client,
            String namespace,
            String lease,
            String name,
            Optional<String> endpoint,
            Timing timing,
            Clock clock) {
        this.client = client;
        this.namespace = namespace;
        this.lease = lease;
        this.identity = name + "_" + UUID.randomUUID().toString().substring(0, 8);
        this.endpoint = endpoint;
        this.timing = timing;
        this.clock = clock;
    }

    @Override
    public void join(LongConsumer onLeading, Runnable onLost) {
        leads = onLeading;
        lost = onLost;
        timer.scheduleWithFixedDelay(
                this::round, 0, timing.retry().toMillis(), TimeUnit.MILLISECONDS);
    }

    private void round() {
        if (closed) {
            return;
        }
        try {
            hold();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                LOG.warnf("the Lease %s/%s cannot be held: %s", namespace, lease, e.getMessage());
            }
        } catch (RuntimeException e) {
            LOG.errorf(e, "the Lease %s/%s cannot be held", namespace, lease);
        }
        if (leading && System.nanoTime() - renewedAt > timing.renewWithin().toNanos()) {
            end("it could not be renewed");
        }
    }

    private void end(String why) {
        leading = false;
        closed = true;
        LOG.errorf("the Lease %s/%s is lost: %s", namespace, lease, why);
        lost.run();
    }

    private void hold() {
        Lease current = client.leases().inNamespace(namespace).withName(lease).get();
        long started = System.nanoTime();
        ZonedDateTime now = ZonedDateTime.ofInstant(clock.instant(), ZoneOffset.UTC);
        if (current == null) {
            Lease fresh =
                    new LeaseBuilder()
                            .withNewMetadata()
                            .withNamespace(namespace)
                            .withName(lease)
                            .withAnnotations(annotations(null))
                            .endMetadata()
                            .withNewSpec()
                            .withHolderIdentity(identity)
                            .withLeaseDurationSeconds((int) timing.lease().toSeconds())
                            .withAcquireTime(now)
                            .withRenewTime(now)
                            .withLeaseTransitions(0)
                            .endSpec()
                            .build();
            client.resource(fresh).create();
            began(1, started);
            return;
        }
        String held = current.getSpec().getHolderIdentity();
        holder = held == null ? "" : held;
        holderEndpoint =
                holder.isEmpty()
                        ? Optional.empty()
                        : Optional.ofNullable(current.getMetadata().getAnnotations())
                                .map(a -> a.get(ENDPOINT));
        if (identity.equals(held)) {
            current.getSpec().setRenewTime(now);
            client.resource(current).update();
            if (leading) {
                renewedAt = started;
            }
            return;
        }
        if (leading) {
            end("it is held by " + held);
            return;
        }
        if (current.getSpec().getRenewTime() == null
                || !current.getSpec().getRenewTime().equals(observedRenewal)) {
            observedRenewal = current.getSpec().getRenewTime();
            observedAt = System.nanoTime();
        }
        boolean free = held == null || held.isEmpty();
        boolean over = System.nanoTime() - observedAt > timing.lease().toNanos();
        if (!free && !over) {
            return;
        }
        Integer before = current.getSpec().getLeaseTransitions();
        int transitions = (before == null ? 0 : before) + 1;
        current.getMetadata().setAnnotations(annotations(current.getMetadata().getAnnotations()));
        current.getSpec().setHolderIdentity(identity);
        current.getSpec().setLeaseDurationSeconds((int) timing.lease().toSeconds());
        current.getSpec().setAcquireTime(now);
        current.getSpec().setRenewTime(now);
        current.getSpec().setLeaseTransitions(transitions);
        client.resource(current).update();
        began(transitions + 1L, started);
    }

    private Map<String, String> annotations(Map<String, String> others) {
        Map<String, String> all = new HashMap<>(others == null ? Map.of() : others);
        all.remove(ENDPOINT);
        endpoint.ifPresent(e -> all.put(ENDPOINT, e));
        return all;
    }

    private void began(long term, long at) {
        holder = identity;
        holderEndpoint = endpoint;
        leading = true;
        renewedAt = at;
        LOG.infof("leads with term %d as %s", term, identity);
        // Not on this thread: what follows may take long, and the Lease must be renewed meanwhile.
        Thread.ofVirtual().name("lead").start(() -> leads.accept(term));
    }

    @Override
    public Optional<String> leader() {
        return Optional.of(holder).filter(h -> !h.isEmpty());
    }

    @Override
    public Optional<String> leaderEndpoint() {
        return holderEndpoint;
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            timer.awaitTermination(timing.retry().toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (leading) {
            leading = false;
            try {
                Lease current = client.leases().inNamespace(namespace).withName(lease).get();
                if (current != null && identity.equals(current.getSpec().getHolderIdentity())) {
                    current.getSpec().setHolderIdentity("");
                    client.resource(current).update();
                }
            } catch (KubernetesClientException e) {
                LOG.debugf(
                        "the Lease %s/%s runs out by itself: %s", namespace, lease, e.getMessage());
            }
        }
    }
}
