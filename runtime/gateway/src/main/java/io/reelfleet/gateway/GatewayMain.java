package io.reelfleet.gateway;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.reelfleet.trust.Enrolment;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigProvider;

/**
 * Starts the gateway. What a person got wrong is one sentence on stderr and exit code 1, before
 * anything else starts.
 */
@QuarkusMain
public final class GatewayMain implements QuarkusApplication {
    private final Presence presence;

    GatewayMain(Presence presence) {
        this.presence = presence;
    }

    /** Runs until it is told to end. */
    public static void main(String... args) {
        try {
            enrol();
            check(ConfigProvider.getConfig());
        } catch (SettingException e) {
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

    /**
     * In a cluster the operator certifies this pod. It is not waited for: what is in the store
     * plays without an operator, and calls to workers wait for the certificate.
     */
    private static void enrol() {
        Config config = ConfigProvider.getConfig();
        try {
            Optional<Enrolment> enrolment =
                    Enrolment.from(
                            key -> config.getOptionalValue(key, String.class), System.err::println);
            enrolment.ifPresent(
                    e -> Thread.ofPlatform().daemon().name("enrolment").start(() -> start(e)));
        } catch (IllegalArgumentException e) {
            throw new SettingException(e.getMessage(), e);
        }
    }

    private static void start(Enrolment enrolment) {
        try {
            enrolment.start();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void ended(int exitCode, Throwable problem) {
        for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
            if (cause instanceof SettingException) {
                System.err.println(cause.getMessage());
                System.exit(1);
            }
        }
        System.exit(problem == null ? exitCode : 1);
    }

    static void check(Config config) {
        GatewaySettings settings = new GatewaySettings(config);
        settings.store();
        Path key = settings.tokensPublicKeyFile();
        if (!Files.isReadable(key)) {
            throw new SettingException(
                    "reelfleet.tokens.public-key-file %s is not there: write the PEM file with the public key of viewers' tokens"
                            .formatted(key));
        }
        String host =
                config.getOptionalValue("quarkus.http.host", String.class).orElse("127.0.0.1");
        Optional<String> tls = config.getOptionalValue("reelfleet.gateway.tls.dir", String.class);
        tls.ifPresent(dir -> serveHttps(Path.of(dir)));
        if (tls.isEmpty()
                && !isLoopback(host)
                && !settings.insecure()
                && !config.getOptionalValue("reelfleet.gateway.behind-tls-proxy", Boolean.class)
                        .orElse(false)) {
            throw new SettingException(
                    "reelfleet.listen-host %s is reachable from outside and nothing encrypts: set reelfleet.gateway.tls.dir, or reelfleet.gateway.behind-tls-proxy=true behind an ingress"
                            .formatted(host));
        }
        checkPort(
                "quarkus.http.port",
                host,
                config.getOptionalValue("quarkus.http.port", Integer.class));
        if (config.getOptionalValue("quarkus.management.enabled", Boolean.class).orElse(true)) {
            checkPort(
                    "quarkus.management.port",
                    config.getOptionalValue("quarkus.management.host", String.class).orElse(host),
                    config.getOptionalValue("quarkus.management.port", Integer.class));
        }
    }

    /** HTTPS instead of HTTP, on the same port. */
    private static void serveHttps(Path dir) {
        for (String file : new String[] {"tls.crt", "tls.key"}) {
            if (!Files.isReadable(dir.resolve(file))) {
                throw new SettingException(
                        "reelfleet.gateway.tls.dir %s has no %s: put the certificate and key for viewers there as PEM"
                                .formatted(dir, file));
            }
        }
        System.setProperty(
                "quarkus.tls.viewers.key-store.pem.0.cert", dir.resolve("tls.crt").toString());
        System.setProperty(
                "quarkus.tls.viewers.key-store.pem.0.key", dir.resolve("tls.key").toString());
        System.setProperty("quarkus.tls.viewers.reload-period", "1h");
        System.setProperty("quarkus.http.tls-configuration-name", "viewers");
        System.setProperty("quarkus.http.insecure-requests", "disabled");
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            throw new SettingException(
                    "reelfleet.listen-host '%s' is not an address of this machine".formatted(host),
                    e);
        }
    }

    private static void checkPort(String setting, String host, Optional<Integer> port) {
        if (port.isEmpty() || port.get() == 0) {
            return;
        }
        try (ServerSocket probe = new ServerSocket()) {
            probe.setReuseAddress(true);
            probe.bind(new InetSocketAddress(host, port.get()));
        } catch (IOException e) {
            throw new SettingException(
                    "port %d on %s is in use: set %s to another one, or 0 for any that is free"
                            .formatted(port.get(), host, setting),
                    e);
        }
    }
}
