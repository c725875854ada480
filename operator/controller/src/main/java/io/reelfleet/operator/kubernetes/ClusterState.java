package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.operator.Settings;
import io.reelfleet.operator.fleet.PoolDefinition;
import io.reelfleet.operator.fleet.PoolDefinitions;
import io.reelfleet.operator.fleet.SessionWish;
import java.util.ArrayList;
import java.util.List;
import org.jboss.logging.Logger;

/**
 * What the API server holds when an operator begins to lead. The loops know all of it before they
 * look at their workers: a session that a worker has and that is not here was deleted while no
 * operator ran.
 */
public final class ClusterState {
    private static final Logger LOG = Logger.getLogger(ClusterState.class);
    private static final long LAST_RETRY_MILLIS = 10_000;

    private ClusterState() {}

    /** Pools and unfinished sessions. */
    public record Known(List<PoolDefinition> pools, List<SessionWish> sessions) {}

    /** Lists it, again and again until the API server answers. */
    public static Known read(KubernetesClient client, Settings settings) {
        for (long wait = 200; ; wait = Math.min(LAST_RETRY_MILLIS, wait * 2)) {
            try {
                return once(client, settings);
            } catch (RuntimeException e) {
                LOG.warnf("pools and sessions cannot be listed: %s", e.getMessage());
            }
            try {
                Thread.sleep(wait);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while listing", e);
            }
        }
    }

    private static Known once(KubernetesClient client, Settings settings) {
        List<PoolDefinition> pools = new ArrayList<>();
        for (GPUPool pool : list(client, GPUPool.class, settings)) {
            if (pool.getMetadata().getDeletionTimestamp() == null) {
                pools.add(PoolDefinitions.of(pool, pool.getMetadata().getNamespace(), settings));
            }
        }
        List<VideoSession> sessions = list(client, VideoSession.class, settings);
        List<SessionWish> wishes = new ArrayList<>();
        for (VideoSession session : sessions) {
            if (session.getMetadata().getDeletionTimestamp() == null
                    && !SessionReconciler.finished(session)) {
                wishes.add(SessionWishes.of(session, origin(session, sessions)));
            }
        }
        return new Known(pools, wishes);
    }

    private static String origin(VideoSession session, List<VideoSession> all) {
        return session.getSpec().from() == null
                ? null
                : all.stream()
                        .filter(
                                s ->
                                        s.getMetadata()
                                                .getNamespace()
                                                .equals(session.getMetadata().getNamespace()))
                        .filter(
                                s ->
                                        s.getMetadata()
                                                .getName()
                                                .equals(session.getSpec().from().session()))
                        .map(s -> s.getMetadata().getUid())
                        .findFirst()
                        .orElse(null);
    }

    private static <T extends CustomResource<?, ?>> List<T> list(
            KubernetesClient client, Class<T> type, Settings settings) {
        if (settings.watchNamespaces().isEmpty()) {
            return client.resources(type).inAnyNamespace().list().getItems();
        }
        List<T> all = new ArrayList<>();
        settings.watchNamespaces()
                .forEach(n -> all.addAll(client.resources(type).inNamespace(n).list().getItems()));
        return all;
    }
}
