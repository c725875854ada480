package io.reelfleet.operator.trust;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.reelfleet.process.StartupProblem;
import io.reelfleet.trust.CertificateAuthority;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.TlsFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jboss.logging.Logger;

/**
 * Trust in a cluster, put together before Quarkus starts, since the port needs its certificate:
 * opens the authority, issues the operator's own certificate into {@code reelfleet.tls.dir} and
 * renews it, and opens the signing desk.
 */
public final class ClusterTrust {
    private static final Logger LOG = Logger.getLogger(ClusterTrust.class);

    /** A third of a certificate's life. */
    private static final Duration RENEWAL = CertificateAuthority.LEAF_VALIDITY.dividedBy(3);

    private static volatile SigningDesk desk;

    private ClusterTrust() {}

    /** The desk; empty where there is no {@code reelfleet.trust.secret}. */
    static Optional<SigningDesk> desk() {
        return Optional.ofNullable(desk);
    }

    /**
     * Does nothing without {@code reelfleet.trust.secret}.
     *
     * @throws StartupProblem when a setting or one of the chart's objects is missing
     */
    public static void open(Function<String, Optional<String>> config) {
        Optional<String> secret = config.apply("reelfleet.trust.secret").filter(s -> !s.isBlank());
        if (secret.isEmpty()) {
            return;
        }
        Path folder = Path.of(need(config, "reelfleet.tls.dir"));
        String namespace = need(config, "reelfleet.namespace");
        KubernetesClient client = new KubernetesClientBuilder().build();
        CertificateAuthority authority =
                new StoredAuthority(client, namespace, Clock.systemUTC())
                        .open(secret.get(), need(config, "reelfleet.trust.config-map"));
        String host = need(config, "reelfleet.trust.endpoint").replaceAll(":[0-9]+$", "");
        List<String> hosts =
                new ArrayList<>(List.of(host, host + ".cluster.local", "localhost", "127.0.0.1"));
        // Standbys call the leader by its address.
        config.apply("reelfleet.pod.ip").filter(ip -> !ip.isBlank()).ifPresent(hosts::add);
        PeerIdentity self = new PeerIdentity(PeerIdentity.Role.OPERATOR, "operator", hosts);
        issue(authority, self, folder);
        Thread.ofPlatform()
                .daemon()
                .name("certificate-renewal")
                .start(() -> renew(authority, self, folder));
        desk =
                new SigningDesk(
                        client,
                        authority,
                        namespace,
                        need(config, "reelfleet.worker.service-account"),
                        need(config, "reelfleet.gateway.service-account"));
    }

    private static void renew(CertificateAuthority authority, PeerIdentity self, Path folder) {
        try {
            while (true) {
                Thread.sleep(RENEWAL);
                issue(authority, self, folder);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void issue(CertificateAuthority authority, PeerIdentity self, Path folder) {
        try {
            TlsFolder.write(folder, authority.issue(self, CertificateAuthority.LEAF_VALIDITY));
            LOG.infof("issued the operator's certificate for %s", self.hosts());
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.tls.dir %s cannot be written: %s".formatted(folder, e.getMessage()));
        }
    }

    private static String need(Function<String, Optional<String>> config, String key) {
        return config.apply(key)
                .filter(v -> !v.isBlank())
                .orElseThrow(
                        () ->
                                new StartupProblem(
                                        key + " is not set, and reelfleet.trust.secret needs it"));
    }
}
