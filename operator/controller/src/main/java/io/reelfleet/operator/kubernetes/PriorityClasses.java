package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.scheduling.v1.PriorityClass;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ToIntFunction;
import org.jboss.logging.Logger;

/**
 * The values of PriorityClasses: those of the operator's settings, and those of the cluster, which
 * go before. Looked at from time to time; never waits when it is asked. Any thread may call it.
 */
public final class PriorityClasses implements ToIntFunction<String> {
    private static final Logger LOG = Logger.getLogger(PriorityClasses.class);

    private final Map<String, Integer> configured;
    private final Set<String> missed = ConcurrentHashMap.newKeySet();
    private volatile Map<String, Integer> known;
    private volatile boolean refused;

    /**
     * @param configured values by name
     */
    public PriorityClasses(Map<String, Integer> configured) {
        this.configured = Map.copyOf(configured);
        this.known = this.configured;
    }

    /** Lists the cluster's; when that fails the last ones hold. */
    public void look(KubernetesClient client) {
        try {
            Map<String, Integer> all = new HashMap<>(configured);
            for (PriorityClass c : client.scheduling().v1().priorityClasses().list().getItems()) {
                all.put(c.getMetadata().getName(), c.getValue());
            }
            known = Map.copyOf(all);
            refused = false;
        } catch (RuntimeException e) {
            if (!refused) {
                refused = true;
                LOG.warnf(
                        "PriorityClasses cannot be listed; the last ones known hold: %s",
                        e.getMessage());
            }
        }
    }

    /** The value of a class; 0 for one that there is not. */
    @Override
    public int applyAsInt(String name) {
        Integer value = known.get(name);
        if (value != null) {
            missed.remove(name);
            return value;
        }
        if (missed.add(name)) {
            LOG.warnf(
                    "there is no PriorityClass %s: sessions that name it go like any other", name);
        }
        return 0;
    }
}
