package io.reelfleet.operator.eviction;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import org.jboss.logging.Logger;

/**
 * The operator's side of the chart's ValidatingWebhookConfiguration. It writes its authority and
 * its path there; the path has a secret in it, since the API server shows no name of its own and
 * nobody else is to start a drain. All operators of a release derive the same one.
 */
public final class EvictionWebhook {
    /** Before the secret. */
    static final String PATH = "/admission/v1/evictions/";

    private static final Logger LOG = Logger.getLogger(EvictionWebhook.class);

    /** What happens when the eviction of a pod is asked for. */
    @FunctionalInterface
    public interface Evictions {
        /**
         * Empties the worker, if it is one that has sessions.
         *
         * @param dryRun only says what would happen
         * @return why it cannot go yet, in a sentence; empty when it may go
         */
        Optional<String> asked(String namespace, String pod, boolean dryRun);
    }

    private final String configuration;
    private final String secret;
    private final Evictions evictions;

    /**
     * @param configuration name of the ValidatingWebhookConfiguration
     * @param secret that all operators of the release know and nobody else
     */
    public EvictionWebhook(String configuration, byte[] secret, Evictions evictions) {
        this.configuration = configuration;
        this.evictions = evictions;
        this.secret = HexFormat.of().formatHex(secret);
    }

    boolean knows(String shown) {
        return MessageDigest.isEqual(
                shown.getBytes(StandardCharsets.UTF_8), secret.getBytes(StandardCharsets.UTF_8));
    }

    Optional<String> asked(String namespace, String pod, boolean dryRun) {
        return evictions.asked(namespace, pod, dryRun);
    }

    /** Tells the API server where to ask, and whom to trust there; may be repeated. */
    public void announce(KubernetesClient client, String authorityPem) {
        String bundle =
                Base64.getEncoder().encodeToString(authorityPem.getBytes(StandardCharsets.UTF_8));
        String patch =
                """
                [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "%s"},
                 {"op": "add", "path": "/webhooks/0/clientConfig/service/path", "value": "%s"}]
                """
                        .formatted(bundle, PATH + secret);
        try {
            client.admissionRegistration()
                    .v1()
                    .validatingWebhookConfigurations()
                    .withName(configuration)
                    .patch(PatchContext.of(PatchType.JSON), patch);
        } catch (KubernetesClientException e) {
            LOG.warnf(
                    "the ValidatingWebhookConfiguration %s cannot be completed, so an eviction empties no worker by itself: %s",
                    configuration, e.getMessage());
        }
    }
}
