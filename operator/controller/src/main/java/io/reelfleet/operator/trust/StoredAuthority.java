package io.reelfleet.operator.trust;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.reelfleet.operator.StartupProblem;
import io.reelfleet.trust.CertificateAuthority;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jboss.logging.Logger;

/**
 * The authority in the Secret that the chart made empty: whoever comes first writes it, everybody
 * else reads it. Its certificate also goes into a ConfigMap, for the parts that must know whom to
 * trust before they have a certificate.
 */
public final class StoredAuthority {
    private static final Logger LOG = Logger.getLogger(StoredAuthority.class);
    private static final String CERTIFICATE = "ca.crt";
    private static final String KEY = "ca.key";
    private static final int CONFLICT = 409;
    private static final int TRIES = 5;

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
        CertificateAuthority authority = readOrWrite(secretName);
        publish(configMapName, authority.certificatePem());
        return authority;
    }

    private CertificateAuthority readOrWrite(String name) {
        for (int i = 0; i < TRIES; i++) {
            Secret secret =
                    Optional.ofNullable(
                                    client.secrets().inNamespace(namespace).withName(name).get())
                            .orElseThrow(() -> missing("Secret", name));
            Map<String, String> data = Optional.ofNullable(secret.getData()).orElse(Map.of());
            if (data.containsKey(CERTIFICATE) && data.containsKey(KEY)) {
                try {
                    return CertificateAuthority.of(
                            decode(data.get(CERTIFICATE)), decode(data.get(KEY)), clock);
                } catch (IllegalArgumentException e) {
                    throw new StartupProblem(
                            "Secret %s/%s holds no usable %s and %s; empty it to have a new authority made"
                                    .formatted(namespace, name, CERTIFICATE, KEY));
                }
            }
            CertificateAuthority fresh = CertificateAuthority.create(clock);
            Map<String, String> written = new HashMap<>(data);
            written.put(CERTIFICATE, encode(fresh.certificatePem()));
            written.put(KEY, encode(fresh.privateKeyPem()));
            try {
                client.resource(new SecretBuilder(secret).withData(written).build()).update();
                LOG.infof("made the installation's authority, Secret %s/%s", namespace, name);
                return fresh;
            } catch (KubernetesClientException e) {
                if (e.getCode() != CONFLICT) {
                    throw e;
                }
                // Another operator was faster: what it wrote is read next.
            }
        }
        throw new StartupProblem(
                "Secret %s/%s changes all the time; see who else writes it"
                        .formatted(namespace, name));
    }

    private void publish(String name, String certificatePem) {
        for (int i = 0; i < TRIES; i++) {
            ConfigMap map =
                    Optional.ofNullable(
                                    client.configMaps().inNamespace(namespace).withName(name).get())
                            .orElseThrow(() -> missing("ConfigMap", name));
            Map<String, String> data =
                    new HashMap<>(Optional.ofNullable(map.getData()).orElse(Map.of()));
            if (certificatePem.equals(data.put(CERTIFICATE, certificatePem))) {
                return;
            }
            map.setData(data);
            try {
                client.resource(map).update();
                return;
            } catch (KubernetesClientException e) {
                if (e.getCode() != CONFLICT) {
                    throw e;
                }
            }
        }
    }

    private StartupProblem missing(String kind, String name) {
        return new StartupProblem(
                "%s %s/%s is not there; the chart makes it, empty"
                        .formatted(kind, namespace, name));
    }

    private static String decode(String base64) {
        return new String(Base64.getDecoder().decode(base64), StandardCharsets.US_ASCII);
    }

    private static String encode(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.US_ASCII));
    }
}
