package io.reelfleet.gateway;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.reelfleet.process.Certification;
import io.reelfleet.process.Ports;
import io.reelfleet.process.ServerTls;
import io.reelfleet.process.StartupProblem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;

/**
 * Starts the gateway. What a person got wrong is one sentence on stderr and exit code 1, before
 * anything else starts.
 */
@QuarkusMain
public final class GatewayMain implements QuarkusApplication {
    /** Short: a pod that is started again gets fresh mounts, one that waits does not. */
    private static final Duration KEYS = Duration.ofSeconds(5);

    private final Presence presence;

    GatewayMain(Presence presence) {
        this.presence = presence;
    }

    /** Runs until it is told to end. */
    public static void main(String... args) {
        try {
            Config config = ConfigProvider.getConfig();
            check(config);
            // Not waited for: what is in the store plays without an operator, and calls to workers
            // wait for the certificate.
            Certification.begin(key -> text(config, key));
        } catch (StartupProblem e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
        Quarkus.run(GatewayMain.class, GatewayMain::ended, args);
    }

    @Override
    public int run(String... args) {
        presence.announce();
        Quarkus.waitForExit();
        return 0;
    }

    private static void ended(int exitCode, Throwable problem) {
        StartupProblem.in(problem).ifPresent(System.err::println);
        System.exit(problem == null ? exitCode : 1);
    }

    static void check(Config config) {
        GatewaySettings settings = new GatewaySettings(config);
        settings.store();
        // In a cluster the operator makes what the gateway mounts; at first it may not be there.
        boolean cluster = text(config, "reelfleet.trust.endpoint").isPresent();
        long until = System.nanoTime() + (cluster ? KEYS.toNanos() : 0);
        mustBeThere(
                "reelfleet.tokens.public-key-file",
                settings.tokensPublicKeyFile(),
                "the PEM file with the public key of viewers' tokens",
                until);
        if (settings.cookieKeyFile().isPresent()) {
            mustBeThere(
                    "reelfleet.gateway.cookie-key-file",
                    settings.cookieKeyFile().get(),
                    "a file of 32 bytes or more",
                    until);
        }
        if (cluster) {
            mustBeThere(
                    "reelfleet.trust.authority-file",
                    Path.of(text(config, "reelfleet.trust.authority-file").orElse("ca.crt")),
                    "the PEM file with the authority's certificate",
                    until);
        }
        String host = text(config, "quarkus.http.host").orElse("127.0.0.1");
        Optional<String> tls = text(config, "reelfleet.gateway.tls.dir");
        tls.ifPresent(dir -> ServerTls.serve("reelfleet.gateway.tls.dir", Path.of(dir)));
        if (tls.isEmpty()
                && !Ports.isLoopback(host)
                && !settings.insecure()
                && !config.getOptionalValue("reelfleet.gateway.behind-tls-proxy", Boolean.class)
                        .orElse(false)) {
            throw new StartupProblem(
                    "reelfleet.listen-host %s is reachable from outside and nothing encrypts: set reelfleet.gateway.tls.dir, or reelfleet.gateway.behind-tls-proxy=true behind an ingress"
                            .formatted(host));
        }
        Ports.mustBeFree(key -> text(config, key));
    }

    private static Optional<String> text(Config config, String key) {
        return config.getOptionalValue(key, String.class).filter(v -> !v.isBlank());
    }

    private static void mustBeThere(String setting, Path file, String what, long until) {
        while (!Files.isReadable(file)) {
            if (System.nanoTime() - until >= 0) {
                throw new StartupProblem(
                        "%s %s is not there: write %s".formatted(setting, file, what));
            }
            LockSupport.parkNanos(200_000_000);
        }
    }
}
