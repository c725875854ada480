package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.reelfleet.operator.fleet.FleetListener;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionView;
import io.reelfleet.operator.fleet.SessionWish;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * Wakes reconcilers and writes Kubernetes Events, so few that the API server does not feel them.
 */
public final class ClusterListener implements FleetListener {
    private static final Logger LOG = Logger.getLogger(ClusterListener.class);
    private static final long REPEAT_MILLIS = 60_000;
    private static final int REMEMBERED = 1_000;
    private static final int LONGEST_MESSAGE = 1_000;

    /** Events in a row before they are spread over time. */
    private static final int BURST = 20;

    private static final double PER_SECOND = 2;

    private final Supplier<Fleets> fleets;
    private final Wake wake;
    private final KubernetesClient client;
    private final Executor background;
    private final Clock clock;
    private final String reporter;
    private final Map<String, Long> told =
            new LinkedHashMap<>() {
                private static final long serialVersionUID = 1L;

                @Override
                protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
                    return size() > REMEMBERED;
                }
            };
    private double allowance = BURST;
    private long allowanceAt;

    /**
     * @param reporter how this operator calls itself
     */
    public ClusterListener(
            Supplier<Fleets> fleets,
            Wake wake,
            KubernetesClient client,
            Executor background,
            Clock clock,
            String reporter) {
        this.fleets = fleets;
        this.wake = wake;
        this.client = client;
        this.background = background;
        this.clock = clock;
        this.reporter = reporter;
    }

    @Override
    public void changed(String pool, Set<String> sessions) {
        background.execute(
                () -> {
                    wake.pool(pool);
                    PoolView view = fleets.get().pool(pool).orElse(null);
                    if (view == null) {
                        return;
                    }
                    for (String uid : sessions) {
                        SessionView s = view.sessions().get(uid);
                        if (s != null && s.wish().source() == SessionWish.Source.VIDEO_SESSION) {
                            wake.session(s.wish().spec().getNamespace(), s.wish().spec().getName());
                        }
                    }
                });
    }

    @Override
    public void happened(Occurrence o) {
        if (worthTelling(o)) {
            background.execute(() -> write(o));
        }
    }

    private synchronized boolean worthTelling(Occurrence o) {
        long now = clock.millis();
        String key = o.pool() + o.session() + o.reason() + o.message();
        Long last = told.get(key);
        if (last != null && now - last < REPEAT_MILLIS) {
            return false;
        }
        allowance = Math.min(BURST, allowance + (now - allowanceAt) / 1000.0 * PER_SECOND);
        allowanceAt = now;
        if (allowance < 1) {
            return false;
        }
        allowance--;
        told.put(key, now);
        return true;
    }

    private void write(Occurrence o) {
        PoolView view = fleets.get().pool(o.pool()).orElse(null);
        if (view == null) {
            return;
        }
        SessionView session = o.session() == null ? null : view.sessions().get(o.session());
        boolean ofSession =
                session != null && session.wish().source() == SessionWish.Source.VIDEO_SESSION;
        String kind = ofSession ? "VideoSession" : "GPUPool";
        String name = ofSession ? session.wish().spec().getName() : view.pool().shortName();
        String namespace =
                ofSession ? session.wish().spec().getNamespace() : view.pool().namespace();
        String uid = ofSession ? session.uid() : view.pool().uid();
        String now = Instant.now(clock).truncatedTo(ChronoUnit.SECONDS).toString();
        String message =
                o.session() != null && !ofSession
                        ? "session " + o.session() + ": " + o.message()
                        : o.message();
        Event event =
                new EventBuilder()
                        .withNewMetadata()
                        .withGenerateName(name + ".")
                        .withNamespace(namespace)
                        .endMetadata()
                        .withNewInvolvedObject()
                        .withApiVersion("reelfleet.io/v1alpha1")
                        .withKind(kind)
                        .withName(name)
                        .withNamespace(namespace)
                        .withUid(uid)
                        .endInvolvedObject()
                        .withType(o.warning() ? "Warning" : "Normal")
                        .withReason(o.reason())
                        .withMessage(
                                message.length() > LONGEST_MESSAGE
                                        ? message.substring(0, LONGEST_MESSAGE)
                                        : message)
                        .withFirstTimestamp(now)
                        .withLastTimestamp(now)
                        .withCount(1)
                        .withReportingComponent("reelfleet-operator")
                        .withReportingInstance(reporter)
                        .withNewSource()
                        .withComponent("reelfleet-operator")
                        .endSource()
                        .build();
        try {
            client.v1().events().inNamespace(namespace).resource(event).create();
        } catch (KubernetesClientException e) {
            LOG.debugf("an Event cannot be written: %s", e.getMessage());
        }
    }
}
