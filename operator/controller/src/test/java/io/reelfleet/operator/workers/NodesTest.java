package io.reelfleet.operator.workers;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which nodes a worker has to leave. */
class NodesTest {
    private static final Toleration SPOT_FOR_EVER =
            new Toleration("NoSchedule", "spot", "Equal", null, "yes");

    private static Node node(boolean cordoned, Taint... taints) {
        return new NodeBuilder()
                .withNewMetadata()
                .withName("n1")
                .endMetadata()
                .withNewSpec()
                .withUnschedulable(cordoned ? true : null)
                .withTaints(taints)
                .endSpec()
                .build();
    }

    private static Taint taint(String key, String effect, String value) {
        return new Taint(effect, key, null, value);
    }

    @Test
    void aNodeLikeOthersIsStayedOn() {
        assertThat(Nodes.leaving(node(false), List.of())).isNull();
    }

    @Test
    void aCordonedNodeIsLeftWhateverThePodTolerates() {
        Leaving leaving =
                Nodes.leaving(
                        node(true), List.of(new Toleration(null, null, "Exists", null, null)));
        assertThat(leaving.reason()).isEqualTo(Leaving.Reason.NODE_CORDONED);
        assertThat(leaving.sentence()).isEqualTo("node n1 is cordoned");
    }

    @Test
    void aTaintIsLeftUnlessItIsToleratedOrOnlyAPreference() {
        Node spot = node(false, taint("spot", "NoSchedule", "yes"));
        assertThat(Nodes.leaving(spot, List.of()).reason()).isEqualTo(Leaving.Reason.NODE_TAINTED);
        assertThat(Nodes.leaving(spot, List.of()).sentence())
                .isEqualTo("node n1 has the taint spot:NoSchedule");
        assertThat(Nodes.leaving(spot, List.of(SPOT_FOR_EVER))).isNull();
        assertThat(Nodes.leaving(spot, List.of(new Toleration(null, "spot", "Exists", null, null))))
                .isNull();
        assertThat(Nodes.leaving(spot, List.of(new Toleration(null, "spot", "Equal", null, "no"))))
                .isNotNull();
        assertThat(Nodes.leaving(node(false, taint("spot", "PreferNoSchedule", "yes")), List.of()))
                .isNull();
    }

    @Test
    void aNoticeThatIsToleratedForSomeSecondsIsANotice() {
        Node going = node(false, taint("spot/terminates", "NoExecute", null));
        assertThat(
                        Nodes.leaving(
                                going,
                                List.of(
                                        new Toleration(
                                                "NoExecute",
                                                "spot/terminates",
                                                "Exists",
                                                30L,
                                                null))))
                .isNotNull();
    }

    @Test
    void aNodeThatDoesNotAnswerIsNotLeftButWaitedFor() {
        assertThat(
                        Nodes.leaving(
                                node(
                                        false,
                                        taint("node.kubernetes.io/unreachable", "NoExecute", null),
                                        taint("node.kubernetes.io/not-ready", "NoSchedule", null)),
                                List.of()))
                .isNull();
    }
}
