package io.reelfleet.operator.trust;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.reelfleet.operator.kubernetes.KeySecret;
import io.reelfleet.process.StartupProblem;
import io.reelfleet.trust.CertificateAuthority;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;

/**
 * The authority in the Secret that the chart made empty: whoever comes first writes it, everybody
 * else reads it. Its certificate also goes into a ConfigMap, for the parts that must know whom to
 * trust before they have a certificate.
 */
public final class StoredAuthority {
    private static final String CERTIFICATE = "ca.crt";
    private static final String KEY = "ca.key";

    private final KubernetesClient client;
    private final String namespace;
    private final Clock clock;

    public StoredAuthority(KubernetesClient client, String namespace, Clock clock) {
        this.client = client;
        this.namespace = namespace;
        this.clock = clock;
    }

    /**
     * The authority of this installation.
     *
     * @param secretName of the Secret
     * @param configMapName of the ConfigMap that shows its certificate
     * @throws StartupProblem when the chart's objects are not there or hold something else
     */
    public CertificateAuthority open(String secretName, String configMapName) {
        Map<String, String> kept =
                KeySecret.complete(
                        client, namespace, secretName, "reelfleet.trust.secret", this::complete);
        CertificateAuthority authority;
        try {
            authority = CertificateAuthority.of(kept.get(CERTIFICATE), kept.get(KEY), clock);
        } catch (IllegalArgumentException e) {
            throw new StartupProblem(
                    "Secret %s/%s holds no usable %s and %s; empty it to have a new authority made"
                            .formatted(namespace, secretName, CERTIFICATE, KEY),
                    e);
        }
        KeySecret.show(
                client,
                namespace,
                configMapName,
                "reelfleet.trust.config-map",
                Map.of(CERTIFICATE, authority.certificatePem()));
        return authority;
    }

    private Map<String, String> complete(Map<String, String> there) {
        if (there.containsKey(CERTIFICATE) && there.containsKey(KEY)) {
            return there;
        }
        CertificateAuthority fresh = CertificateAuthority.create(clock);
        Map<String, String> whole = new HashMap<>(there);
        whole.put(CERTIFICATE, fresh.certificatePem());
        whole.put(KEY, fresh.privateKeyPem());
        return whole;
    }
}
