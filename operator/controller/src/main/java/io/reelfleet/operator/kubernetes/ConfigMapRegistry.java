package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.grpc.Status;
import io.reelfleet.operator.allocator.SavedSession;
import io.reelfleet.operator.allocator.SessionRegistry;
import io.reelfleet.operator.fleet.SessionWish;
import java.net.HttpURLConnection;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jboss.logging.Logger;

/**
 * The allocator's sessions in one ConfigMap, written in batches: whoever comes while a write is
 * under way waits for the next one, which takes all of them. A ConfigMap holds a megabyte, some
 * thousand sessions with ordinary prompts; past that new sessions are refused.
 */
public final class ConfigMapRegistry implements SessionRegistry {
    private static final Logger LOG = Logger.getLogger(ConfigMapRegistry.class);
    private static final int TOO_LARGE = 413;
    private static final int UNPROCESSABLE = 422;

    private final KubernetesClient client;
    private final String namespace;
    private final String name;
    private final Object lock = new Object();
    private Batch next = new Batch();
    private boolean writing;

    /** What goes into one write. */
    private static final class Batch {
        private final Map<String, String> changes = new HashMap<>();
        private boolean done;
        private String failure;
    }

    /**
     * @param name of a ConfigMap that exists
     */
    public ConfigMapRegistry(KubernetesClient client, String namespace, String name) {
        this.client = client;
        this.namespace = namespace;
        this.name = name;
    }

    @Override
    public List<SessionWish> load() {
        ConfigMap map = client.configMaps().inNamespace(namespace).withName(name).get();
        List<SessionWish> wishes = new ArrayList<>();
        if (map != null && map.getData() != null) {
            map.getData()
                    .forEach(
                            (uid, json) ->
                                    SavedSession.read(json)
                                            .ifPresentOrElse(
                                                    wishes::add,
                                                    () ->
                                                            LOG.warnf(
                                                                    "ConfigMap %s/%s: %s is no session",
                                                                    namespace, name, uid)));
        }
        return wishes;
    }

    @Override
    public void save(SessionWish wish) {
        write(wish.spec().getUid(), SavedSession.write(wish));
    }

    @Override
    public void remove(String uid) {
        write(uid, null);
    }

    private void write(String uid, String json) {
        Batch mine;
        synchronized (lock) {
            mine = next;
            mine.changes.put(uid, json);
            while (writing && !mine.done) {
                await();
            }
            if (!mine.done) {
                writing = true;
                next = new Batch();
            }
        }
        if (!mine.done) {
            String failure = store(mine.changes);
            synchronized (lock) {
                mine.failure = failure;
                mine.done = true;
                writing = false;
                lock.notifyAll();
            }
        }
        if (mine.failure != null && json != null) {
            throw Status.RESOURCE_EXHAUSTED.withDescription(mine.failure).asRuntimeException();
        }
    }

    private void await() {
        try {
            lock.wait();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Status.UNAVAILABLE
                    .withDescription("the operator is ending; try again")
                    .asRuntimeException();
        }
    }

    private String store(Map<String, String> changes) {
        for (int attempt = 0; ; attempt++) {
            try {
                ConfigMap map = client.configMaps().inNamespace(namespace).withName(name).get();
                if (map == null) {
                    return "the ConfigMap %s/%s (reelfleet.sessions.config-map) is not there; make it"
                            .formatted(namespace, name);
                }
                Map<String, String> data =
                        new HashMap<>(map.getData() == null ? Map.of() : map.getData());
                changes.forEach(
                        (uid, json) -> {
                            if (json == null) {
                                data.remove(uid);
                            } else {
                                data.put(uid, json);
                            }
                        });
                client.resource(new ConfigMapBuilder(map).withData(data).build()).update();
                return null;
            } catch (KubernetesClientException e) {
                if (e.getCode() == HttpURLConnection.HTTP_CONFLICT && attempt < 5) {
                    continue;
                }
                LOG.warnf("ConfigMap %s/%s cannot be written: %s", namespace, name, e.getMessage());
                return e.getCode() == TOO_LARGE || e.getCode() == UNPROCESSABLE
                        ? "the allocator holds as many sessions as it can remember; close some, or use VideoSession objects"
                        : "the allocator cannot remember the session: " + e.getMessage();
            }
        }
    }
}
