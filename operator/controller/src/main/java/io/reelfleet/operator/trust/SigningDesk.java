package io.reelfleet.operator.trust;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewStatus;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.reelfleet.trust.CertificateAuthority;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.PeerIdentity.Role;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jboss.logging.Logger;

/**
 * Certifies pods: a projected token says which pod asks, its service account and labels say what it
 * is.
 */
public final class SigningDesk {

    /** Audience of the tokens it takes. */
    public static final String AUDIENCE = "reelfleet";

    private static final Logger LOG = Logger.getLogger(SigningDesk.class);
    private static final String POD_NAME = "authentication.kubernetes.io/pod-name";
    private static final String POD_UID = "authentication.kubernetes.io/pod-uid";
    private static final String COMPONENT = "app.kubernetes.io/component";
    private static final String MANAGED_BY = "app.kubernetes.io/managed-by";

    private final KubernetesClient client;
    private final CertificateAuthority authority;
    private final String namespace;
    private final String workerAccount;
    private final String gatewayAccount;

    /**
     * @param namespace the operator's own; gateways live there too
     * @param workerAccount name of the worker pods' service account, in each pool's namespace
     * @param gatewayAccount name of the gateway's service account
     */
    public SigningDesk(
            KubernetesClient client,
            CertificateAuthority authority,
            String namespace,
            String workerAccount,
            String gatewayAccount) {
        this.client = client;
        this.authority = authority;
        this.namespace = namespace;
        this.workerAccount = workerAccount;
        this.gatewayAccount = gatewayAccount;
    }

    /**
     * The caller is not a pod that this desk certifies; the message is for the operator's log and
     * the caller.
     */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }

    /**
     * Certifies the key of a request for the pod that the token is bound to.
     *
     * @return the certificate, PEM
     * @throws Refused when the token is not one of a worker or gateway pod
     * @throws IllegalArgumentException when the request is malformed
     */
    public String sign(String token, String requestPem) throws Refused {
        PeerIdentity peer = identify(token);
        String certificate = authority.sign(requestPem, peer, CertificateAuthority.LEAF_VALIDITY);
        LOG.infof("certified %s at %s", peer.uri(), peer.hosts());
        return certificate;
    }

    private PeerIdentity identify(String token) throws Refused {
        TokenReviewStatus review = review(token);
        if (review == null
                || !Boolean.TRUE.equals(review.getAuthenticated())
                || review.getAudiences() == null
                || !review.getAudiences().contains(AUDIENCE)) {
            throw new Refused(
                    "the token is not a valid service-account token of audience " + AUDIENCE);
        }
        String[] user = review.getUser().getUsername().split(":");
        if (user.length != 4 || !user[0].equals("system") || !user[1].equals("serviceaccount")) {
            throw new Refused("the token is not of a service account");
        }
        String podName =
                extra(review, POD_NAME)
                        .orElseThrow(() -> new Refused("the token is not bound to a pod"));
        String podUid = extra(review, POD_UID).orElse("");
        if (user[2].equals(namespace) && user[3].equals(gatewayAccount)) {
            return new PeerIdentity(Role.GATEWAY, podName, List.of());
        }
        if (user[3].equals(workerAccount)) {
            Pod pod = worker(user[2], podName, podUid);
            return new PeerIdentity(Role.WORKER, podName, List.of(pod.getStatus().getPodIP()));
        }
        throw new Refused(
                "service account %s/%s is neither the gateway's nor the workers'"
                        .formatted(user[2], user[3]));
    }

    private TokenReviewStatus review(String token) {
        TokenReview answer =
                client.tokenReviews()
                        .create(
                                new TokenReviewBuilder()
                                        .withNewSpec()
                                        .withToken(token)
                                        .withAudiences(AUDIENCE)
                                        .endSpec()
                                        .build());
        return answer.getStatus();
    }

    /** Through a list, which is what the operator may do with pods anyway. */
    private Pod worker(String podNamespace, String name, String uid) throws Refused {
        List<Pod> found =
                client.pods()
                        .inNamespace(podNamespace)
                        .withField("metadata.name", name)
                        .list()
                        .getItems();
        if (found.isEmpty() || !found.getFirst().getMetadata().getUid().equals(uid)) {
            throw new Refused("pod %s/%s is not there any more".formatted(podNamespace, name));
        }
        Pod pod = found.getFirst();
        Map<String, String> labels =
                Optional.ofNullable(pod.getMetadata().getLabels()).orElse(Map.of());
        if (!"worker".equals(labels.get(COMPONENT))
                || !"reelfleet-operator".equals(labels.get(MANAGED_BY))
                || pod.getMetadata().getOwnerReferences().stream()
                        .noneMatch(o -> o.getKind().equals("GPUPool"))) {
            throw new Refused(
                    "pod %s/%s is not a worker that the operator made"
                            .formatted(podNamespace, name));
        }
        if (pod.getStatus() == null || pod.getStatus().getPodIP() == null) {
            throw new Refused("pod %s/%s has no address yet".formatted(podNamespace, name));
        }
        return pod;
    }

    private static Optional<String> extra(TokenReviewStatus review, String key) {
        return Optional.ofNullable(review.getUser().getExtra())
                .map(e -> e.get(key))
                .filter(v -> !v.isEmpty())
                .map(List::getFirst);
    }
}
