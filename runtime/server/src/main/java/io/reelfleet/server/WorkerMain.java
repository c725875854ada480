package io.reelfleet.server;

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
 * Starts a worker. What a person got wrong is one sentence on stderr and exit code 1, before
 * anything else starts.
 */
@QuarkusMain
public final class WorkerMain implements QuarkusApplication {
    private final Presence presence;

    WorkerMain(Presence presence) {
        this.presence = presence;
    }

    /** Runs until it is told to end. */
    public static void main(String... args) {
        try {
            enrol();
            check(WorkerSettings.current());
        } catch (StartupProblem e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
        Quarkus.run(WorkerMain.class, WorkerMain::ended, args);
    }

    @Override
    public int run(String... args) {
        presence.announce();
        Quarkus.waitForExit();
        return 0;
    }

    /** In a cluster the operator certifies this pod; it is waited for. */
    private static void enrol() {
        Config config = ConfigProvider.getConfig();
        try {
            Optional<Enrolment> enrolment =
                    Enrolment.from(
                            key -> config.getOptionalValue(key, String.class), System.err::println);
            if (enrolment.isPresent()) {
                enrolment.get().start();
            }
        } catch (IllegalArgumentException e) {
            throw new StartupProblem(e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StartupProblem("interrupted while waiting for a certificate");
        }
    }

    private static void ended(int exitCode, Throwable problem) {
        for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
            if (cause instanceof StartupProblem) {
                System.err.println(cause.getMessage());
            }
        }
        System.exit(problem == null ? exitCode : 1);
    }

    private static void check(WorkerSettings settings) {
        settings.store();
        settings.modelUri();
        settings.threads();
        settings.latencyTarget();
        settings.idleTimeout();
        settings.deviceMemory();
        settings.hostMemory();
        settings.overrides();
        String host = settings.listenHost();
        settings.tlsDir().ifPresent(WorkerMain::serveMutualTls);
        if (settings.tlsDir().isEmpty() && !isLoopback(host) && !settings.insecure()) {
            throw new StartupProblem(
                    "reelfleet.listen-host %s is reachable from outside and nothing encrypts: set reelfleet.tls.dir (or reelfleet.insecure=true where the network is trusted)"
                            .formatted(host));
        }
        checkPort("quarkus.http.port", host, settings.port("quarkus.http.port"));
        checkPort("quarkus.management.port", host, settings.port("quarkus.management.port"));
    }

    /**
     * The one port speaks TLS and asks peers for a certificate; {@link PeerRoles} says who may call
     * what.
     */
    private static void serveMutualTls(Path dir) {
        for (String file : new String[] {"ca.crt", "tls.crt", "tls.key"}) {
            if (!Files.isReadable(dir.resolve(file))) {
                throw new StartupProblem(
                        "reelfleet.tls.dir %s has no %s: put the authority's certificate, this worker's and its key there as PEM"
                                .formatted(dir, file));
            }
        }
        set("quarkus.tls.peers.key-store.pem.0.cert", dir.resolve("tls.crt").toString());
        set("quarkus.tls.peers.key-store.pem.0.key", dir.resolve("tls.key").toString());
        set("quarkus.tls.peers.trust-store.pem.certs", dir.resolve("ca.crt").toString());
        set("quarkus.tls.peers.reload-period", "10m");
        set("quarkus.http.tls-configuration-name", "peers");
        set("quarkus.http.insecure-requests", "disabled");
    }

    private static void set(String name, String value) {
        System.setProperty(name, value);
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            throw new StartupProblem(
                    "reelfleet.listen-host '%s' is not an address of this machine".formatted(host),
                    e);
        }
    }

    private static void checkPort(String setting, String host, int port) {
        if (port == 0) {
            return;
        }
        try (ServerSocket probe = new ServerSocket()) {
            probe.setReuseAddress(true);
            probe.bind(new InetSocketAddress(host, port));
        } catch (IOException e) {
            throw new StartupProblem(
                    "port %d on %s is in use: set %s to another one, or 0 for any that is free"
                            .formatted(port, host, setting),
                    e);
        }
    }
}
