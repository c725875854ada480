package io.reelfleet.operator.kubernetes;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.reelfleet.operator.StartupProblem;
import java.net.HttpURLConnection;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;

/** A Secret that the chart makes empty and the first operator fills, once for all of them. */
public final class KeySecret {
    private static final int ATTEMPTS = 10;

    private KeySecret() {}

    /**
     * What the Secret holds, after filling it when it holds nothing.
     *
     * @param setting that names it, for people
     * @param fresh makes its content
     */
    public static Map<String, String> fill(
            KubernetesClient client,
            String namespace,
            String name,
            String setting,
            Supplier<Map<String, String>> fresh) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            Secret secret = client.secrets().inNamespace(namespace).withName(name).get();
            if (secret == null) {
                throw new StartupProblem(
                        "%s: there is no Secret %s/%s; make it, empty"
                                .formatted(setting, namespace, name));
            }
            if (secret.getData() != null && !secret.getData().isEmpty()) {
                Map<String, String> data = new HashMap<>();
                secret.getData()
                        .forEach(
                                (key, value) ->
                                        data.put(
                                                key,
                                                new String(
                                                        Base64.getDecoder().decode(value),
                                                        StandardCharsets.UTF_8)));
                return data;
            }
            Map<String, String> encoded = new HashMap<>();
            fresh.get()
                    .forEach(
                            (key, value) ->
                                    encoded.put(
                                            key,
                                            Base64.getEncoder()
                                                    .encodeToString(
                                                            value.getBytes(
                                                                    StandardCharsets.UTF_8))));
            try {
                client.resource(new SecretBuilder(secret).withData(encoded).build()).update();
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                    throw e;
                }
                // Another operator was first: take what it wrote.
            }
        }
        throw new StartupProblem(
                "%s: the Secret %s/%s cannot be written".formatted(setting, namespace, name));
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
                        "%s: there is no ConfigMap %s/%s; make it, empty"
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
