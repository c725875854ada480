package io.reelfleet.operator;

import io.reelfleet.crds.Durations;
import io.reelfleet.process.StartupProblem;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * The operator's settings, as docs/developers/processes.md lists them.
 *
 * @param kubernetes whether there is an API server
 * @param processes whether workers are processes of this machine; pods otherwise
 * @param poolsFile GPUPool documents, where there is no API server
 * @param processesDir files of process workers, the leader's lock and term, the allocator's
 *     sessions
 * @param java program that runs process workers
 * @param javaOptions arguments of it
 * @param serverJar program of process workers
 * @param stopWorkers whether process workers end with the operator
 * @param gatewayUrl prefix of session URLs, without a slash at its end
 * @param tokensKeyFile private key of viewers' tokens
 * @param apiTokenFile bearer token of API callers, where no API server judges them
 * @param store chunk store of pools that name none
 * @param endpointFile written once the operator listens
 * @param parentPid the operator ends with this process
 * @param tlsDir certificates for mutual TLS
 * @param authorityDir {@code ca.crt} and {@code ca.key} that certify process workers
 * @param capacity C of pools that name none
 * @param priorityClasses values of PriorityClasses by name, beside the cluster's
 * @param scaleDownDelay how long the load must have been lower before workers go
 * @param workerTimeout a worker silent for so long is given up
 * @param moveHold a session that was moved by hand is left there for so long
 * @param moveBytesPerSecond what a live move sends at most before its cut-over; 0 for no limit
 * @param namespace where the operator itself lives
 * @param name of this operator among its kind
 * @param workerImage image of pods of pools that name none
 * @param watchNamespaces empty for all
 * @param cluster what only an operator in a cluster needs
 */
public record Settings(
        boolean kubernetes,
        boolean processes,
        Optional<Path> poolsFile,
        Optional<Path> processesDir,
        String java,
        List<String> javaOptions,
        Optional<Path> serverJar,
        boolean stopWorkers,
        String gatewayUrl,
        Optional<Path> tokensKeyFile,
        Optional<Path> apiTokenFile,
        Optional<String> store,
        Optional<Path> endpointFile,
        Optional<Long> parentPid,
        Optional<Path> tlsDir,
        Optional<Path> authorityDir,
        int capacity,
        Map<String, Integer> priorityClasses,
        Duration scaleDownDelay,
        Duration workerTimeout,
        Duration moveHold,
        long moveBytesPerSecond,
        String namespace,
        String name,
        Optional<String> workerImage,
        List<String> watchNamespaces,
        Cluster cluster) {

    /**
     * What only an operator in a cluster needs.
     *
     * @param instance Helm release
     * @param lease name of the leader's Lease
     * @param imagePullPolicy of worker pods
     * @param imagePullSecrets of worker pods
     * @param serviceAccount of worker pods
     * @param storeClaim PersistentVolumeClaim of worker pods
     * @param storeSecret S3 credentials of worker pods
     * @param tokensSecret keeps the key of viewers' tokens
     * @param trustSecret keeps the authority
     * @param trustConfigMap shows the authority's certificate
     * @param trustEndpoint where parts get their certificates
     * @param sessionsConfigMap keeps the allocator's sessions
     * @param podIp of the operator
     * @param evictionWebhook name of the ValidatingWebhookConfiguration that asks before evictions
     * @param watchNodes whether workers leave nodes that are cordoned or tainted
     */
    public record Cluster(
            String instance,
            String lease,
            String imagePullPolicy,
            List<String> imagePullSecrets,
            Optional<String> serviceAccount,
            Optional<String> storeClaim,
            Optional<String> storeSecret,
            Optional<String> tokensSecret,
            Optional<String> trustSecret,
            Optional<String> trustConfigMap,
            Optional<String> trustEndpoint,
            Optional<String> sessionsConfigMap,
            Optional<String> podIp,
            Optional<String> evictionWebhook,
            boolean watchNodes) {}

    /**
     * Reads them.
     *
     * @param config gives the value of a key, if it has one
     * @throws StartupProblem when one cannot be used
     */
    public static Settings read(Function<String, Optional<String>> config) {
        Reader r = new Reader(config);
        boolean kubernetes = r.flag("reelfleet.kubernetes", true);
        String workers = r.text("reelfleet.workers", kubernetes ? "pods" : "processes");
        if (!workers.equals("pods") && !workers.equals("processes")) {
            throw new StartupProblem(
                    "reelfleet.workers is \"" + workers + "\"; write pods or processes");
        }
        boolean processes = workers.equals("processes");
        if (!kubernetes && !processes) {
            throw new StartupProblem(
                    "reelfleet.workers is pods while reelfleet.kubernetes is false; write processes, or give an API server");
        }
        Settings s =
                new Settings(
                        kubernetes,
                        processes,
                        r.path("reelfleet.pools-file"),
                        r.path("reelfleet.processes.dir"),
                        r.text("reelfleet.processes.java", javaOfThisProcess()),
                        List.of(
                                r.text(
                                                "reelfleet.processes.java-options",
                                                "--enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow")
                                        .split("\\s+")),
                        r.path("reelfleet.processes.server-jar"),
                        r.flag("reelfleet.processes.stop-on-exit", false),
                        r.text("reelfleet.gateway.url", "http://127.0.0.1:8081")
                                .replaceAll("/+$", ""),
                        r.path("reelfleet.tokens.key-file"),
                        r.path("reelfleet.api.token-file"),
                        r.value("reelfleet.store"),
                        r.path("reelfleet.endpoint-file"),
                        r.value("reelfleet.parent-pid")
                                .map(v -> r.number("reelfleet.parent-pid", v)),
                        r.path("reelfleet.tls.dir"),
                        r.path("reelfleet.trust.authority-dir"),
                        (int)
                                (long)
                                        r.value("reelfleet.capacity")
                                                .map(v -> r.number("reelfleet.capacity", v))
                                                .orElse(4L),
                        r.values("reelfleet.priority-classes"),
                        r.duration("reelfleet.scale-down-delay", Duration.ofSeconds(60)),
                        r.duration("reelfleet.worker-timeout", Duration.ofSeconds(15)),
                        r.duration("reelfleet.moves.hold", Duration.ofSeconds(60)),
                        r.value("reelfleet.moves.bytes-per-second")
                                .map(v -> r.number("reelfleet.moves.bytes-per-second", v))
                                .orElse(0L),
                        r.text("reelfleet.namespace", "reelfleet"),
                        r.value("reelfleet.operator.name")
                                .or(() -> r.value("reelfleet.pod.name"))
                                .orElse("operator-" + ProcessHandle.current().pid()),
                        r.value("reelfleet.worker.image"),
                        r.list("reelfleet.watch-namespaces"),
                        new Cluster(
                                r.text("reelfleet.instance", "reelfleet"),
                                r.text("reelfleet.lease", "reelfleet-operator"),
                                r.text("reelfleet.worker.image-pull-policy", "IfNotPresent"),
                                r.list("reelfleet.worker.image-pull-secrets"),
                                r.value("reelfleet.worker.service-account"),
                                r.value("reelfleet.worker.store-claim"),
                                r.value("reelfleet.worker.store-secret"),
                                r.value("reelfleet.tokens.secret"),
                                r.value("reelfleet.trust.secret"),
                                r.value("reelfleet.trust.config-map"),
                                r.value("reelfleet.trust.endpoint"),
                                r.value("reelfleet.sessions.config-map"),
                                r.value("reelfleet.pod.ip"),
                                r.value("reelfleet.evictions.webhook"),
                                r.flag("reelfleet.nodes.watch", true)));
        if (s.moveBytesPerSecond < 0) {
            throw new StartupProblem(
                    "reelfleet.moves.bytes-per-second is "
                            + s.moveBytesPerSecond
                            + "; write 0 for no limit, or more");
        }
        if (s.capacity < 1) {
            throw new StartupProblem("reelfleet.capacity is " + s.capacity + "; write 1 or more");
        }
        if (processes) {
            r.need(
                    "reelfleet.processes.dir",
                    s.processesDir,
                    "the folder of process workers' files");
            r.need("reelfleet.processes.server-jar", s.serverJar, "the worker's quarkus-run.jar");
        }
        if (!kubernetes) {
            r.need("reelfleet.pools-file", s.poolsFile, "a file of GPUPool documents");
            r.need(
                    "reelfleet.api.token-file",
                    s.apiTokenFile,
                    "the file with the bearer token of API callers");
        }
        r.need(
                "reelfleet.tokens.key-file",
                s.tokensKeyFile.isPresent() ? s.tokensKeyFile : s.cluster.tokensSecret(),
                "the file of the private key that signs viewers' tokens");
        return s;
    }

    private static String javaOfThisProcess() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    private record Reader(Function<String, Optional<String>> config) {

        Optional<String> value(String key) {
            return config.apply(key).filter(v -> !v.isBlank());
        }

        String text(String key, String absent) {
            return value(key).orElse(absent);
        }

        List<String> list(String key) {
            return value(key).map(v -> List.of(v.strip().split("\\s*,\\s*"))).orElse(List.of());
        }

        /** {@code name=1000,other=-5}. */
        Map<String, Integer> values(String key) {
            Map<String, Integer> values = new LinkedHashMap<>();
            for (String entry : list(key)) {
                int equals = entry.indexOf('=');
                try {
                    values.put(
                            entry.substring(0, equals).strip(),
                            Integer.valueOf(entry.substring(equals + 1).strip()));
                } catch (IndexOutOfBoundsException | NumberFormatException e) {
                    throw new StartupProblem(
                            key + ": \"" + entry + "\"; write a list such as high=1000,low=-10");
                }
            }
            return values;
        }

        Optional<Path> path(String key) {
            return value(key).map(Path::of);
        }

        boolean flag(String key, boolean absent) {
            String v = text(key, Boolean.toString(absent));
            if (!v.equals("true") && !v.equals("false")) {
                throw new StartupProblem(key + " is \"" + v + "\"; write true or false");
            }
            return Boolean.parseBoolean(v);
        }

        long number(String key, String v) {
            try {
                return Long.parseLong(v);
            } catch (NumberFormatException e) {
                throw new StartupProblem(key + " is \"" + v + "\"; write a whole number");
            }
        }

        Duration duration(String key, Duration absent) {
            try {
                return value(key).map(Durations::parse).orElse(absent);
            } catch (IllegalArgumentException e) {
                throw new StartupProblem(key + ": " + e.getMessage());
            }
        }

        void need(String key, Optional<?> value, String what) {
            if (value.isEmpty()) {
                throw new StartupProblem(key + " is not set; write " + what + " there");
            }
        }
    }
}
