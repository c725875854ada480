package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.reelfleet.process.StartupProblem;
import java.net.HttpURLConnection;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A Secret that the chart makes empty and the first operator fills, once for all of them; what a
 * later version keeps there is added.
 */
public final class KeySecret {
    private static final int ATTEMPTS = 10;

    private KeySecret() {}

    /**
     * What the Secret holds, after it was completed.
     *
     * @param setting that names it, for people
     * @param complete adds what is missing to what is there
     */
    public static Map<String, String> complete(
            KubernetesClient client,
            String namespace,
            String name,
            String setting,
            UnaryOperator<Map<String, String>> complete) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            Secret secret = client.secrets().inNamespace(namespace).withName(name).get();
            if (secret == null) {
                throw new StartupProblem(
                        "%s: there is no Secret %s/%s; the chart makes it, empty"
                                .formatted(setting, namespace, name));
            }
            Map<String, String> there = new HashMap<>();
            if (secret.getData() != null) {
                secret.getData().forEach((key, value) -> there.put(key, decode(value)));
            }
            Map<String, String> whole = complete.apply(Map.copyOf(there));
            if (whole.equals(there)) {
                return whole;
            }
            Map<String, String> encoded = new HashMap<>();
            whole.forEach((key, value) -> encoded.put(key, encode(value)));
            try {
                client.resource(new SecretBuilder(secret).withData(encoded).build()).update();
                return whole;
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                    throw e;
                }
                // Another operator was first: what it wrote is read next.
            }
        }
        throw new StartupProblem(
                "%s: the Secret %s/%s changes all the time; see who else writes it"
                        .formatted(setting, namespace, name));
    }

    private static String decode(String base64) {
        return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
    }

    private static String encode(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Shows a text in a ConfigMap that the chart made empty. */
    public static void show(
            KubernetesClient client,
            String namespace,
            String name,
            String setting,
            Map<String, String> content) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            ConfigMap map = client.configMaps().inNamespace(namespace).withName(name).get();
            if (map == null) {
                throw new StartupProblem(
                        "%s: there is no ConfigMap %s/%s; the chart makes it, empty"
                                .formatted(setting, namespace, name));
            }
            if (content.equals(map.getData())) {
                return;
            }
            try {
                client.resource(new ConfigMapBuilder(map).withData(content).build()).update();
                return;
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                    throw e;
                }
            }
        }
        throw new StartupProblem(
                "%s: the ConfigMap %s/%s cannot be written".formatted(setting, namespace, name));
    }
}
