package io.reelfleet.operator.workers;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jboss.logging.Logger;

/** Which nodes are about to lose their pods: cordoned ones, and ones with a taint. */
final class Nodes implements AutoCloseable {
    private static final Logger LOG = Logger.getLogger(Nodes.class);

    /**
     * Taints that say how a node is, not that it goes: a worker on a node that does not answer
     * cannot be emptied, and one on a node that answers need not be.
     */
    private static final Set<String> CONDITIONS =
            Set.of(
                    "node.kubernetes.io/not-ready",
                    "node.kubernetes.io/unreachable",
                    "node.kubernetes.io/network-unavailable",
                    "node.cloudprovider.kubernetes.io/uninitialized");

    private final SharedIndexInformer<Node> informer;

    private Nodes(SharedIndexInformer<Node> informer) {
        this.informer = informer;
    }

    /**
     * Follows the cluster's nodes.
     *
     * @param changed is told the name of a node that takes pods otherwise than before
     * @return empty when this operator may not read nodes: then evictions are held off, and start
     *     nothing by themselves
     */
    static Optional<Nodes> follow(KubernetesClient client, Consumer<String> changed) {
        try {
            return Optional.of(new Nodes(client.nodes().inform(new Changes(changed))));
        } catch (KubernetesClientException e) {
            LOG.warnf(
                    "nodes cannot be watched, so no worker is emptied when its node is cordoned or tainted: %s",
                    e.getMessage());
            return Optional.empty();
        }
    }

    private record Changes(Consumer<String> changed) implements ResourceEventHandler<Node> {
        @Override
        public void onAdd(Node node) {
            if (Boolean.TRUE.equals(node.getSpec().getUnschedulable())
                    || !node.getSpec().getTaints().isEmpty()) {
                changed.accept(node.getMetadata().getName());
            }
        }

        @Override
        public void onUpdate(Node before, Node node) {
            // Kubelets write into their nodes every few seconds.
            if (!Objects.equals(
                            before.getSpec().getUnschedulable(), node.getSpec().getUnschedulable())
                    || !before.getSpec().getTaints().equals(node.getSpec().getTaints())) {
                changed.accept(node.getMetadata().getName());
            }
        }

        @Override
        public void onDelete(Node node, boolean unknown) {
            changed.accept(node.getMetadata().getName());
        }
    }

    /** Why a pod will have to leave its node; null when it may stay. */
    Leaving leaving(Pod pod) {
        String name = pod.getSpec().getNodeName();
        Node node = name == null ? null : informer.getStore().getByKey(name);
        return node == null ? null : leaving(node, pod.getSpec().getTolerations());
    }

    /** Why pods with these tolerations will have to leave a node; null when they may stay. */
    static Leaving leaving(Node node, List<Toleration> tolerations) {
        String name = node.getMetadata().getName();
        if (Boolean.TRUE.equals(node.getSpec().getUnschedulable())) {
            return new Leaving(Leaving.Reason.NODE_CORDONED, "node " + name + " is cordoned", null);
        }
        return node.getSpec().getTaints().stream()
                .filter(t -> !CONDITIONS.contains(t.getKey()))
                .filter(t -> !"PreferNoSchedule".equals(t.getEffect()))
                .filter(t -> tolerations.stream().noneMatch(given -> tolerates(given, t)))
                .findFirst()
                .map(
                        t ->
                                new Leaving(
                                        Leaving.Reason.NODE_TAINTED,
                                        "node %s has the taint %s:%s"
                                                .formatted(name, t.getKey(), t.getEffect()),
                                        null))
                .orElse(null);
    }

    /** What is tolerated for a while only is a notice. */
    private static boolean tolerates(Toleration given, Taint taint) {
        boolean effect =
                given.getEffect() == null
                        || given.getEffect().isEmpty()
                        || given.getEffect().equals(taint.getEffect());
        boolean anyKey = given.getKey() == null || given.getKey().isEmpty();
        boolean exists = "Exists".equals(given.getOperator());
        boolean key = anyKey ? exists : given.getKey().equals(taint.getKey());
        boolean value =
                exists
                        || Objects.requireNonNullElse(given.getValue(), "")
                                .equals(Objects.requireNonNullElse(taint.getValue(), ""));
        boolean forEver =
                !"NoExecute".equals(taint.getEffect()) || given.getTolerationSeconds() == null;
        return effect && key && value && forEver;
    }

    @Override
    public void close() {
        informer.close();
    }
}
