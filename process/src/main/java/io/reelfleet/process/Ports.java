package io.reelfleet.process;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.Optional;
import java.util.function.Function;

/** Looks at the ports of a Quarkus application before it opens them. */
public final class Ports {
    private static final String LOOPBACK = "127.0.0.1";

    private Ports() {}

    /**
     * The application's port and its management port must be free, or 0.
     *
     * @param config gives the value of a key, if it has one
     * @throws StartupProblem when something listens there
     */
    public static void mustBeFree(Function<String, Optional<String>> config) {
        String host = config.apply("quarkus.http.host").orElse(LOOPBACK);
        mustBeFree("quarkus.http.port", host, config);
        if (config.apply("quarkus.management.enabled").map(Boolean::parseBoolean).orElse(true)) {
            mustBeFree(
                    "quarkus.management.port",
                    config.apply("quarkus.management.host").orElse(host),
                    config);
        }
    }

    private static void mustBeFree(
            String setting, String host, Function<String, Optional<String>> config) {
        String text = config.apply(setting).orElse("0").strip();
        int port;
        try {
            port = Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new StartupProblem(
                    "%s is \"%s\"; write a number from 0 to 65535".formatted(setting, text), e);
        }
        if (port < 0 || port > 65_535) {
            throw new StartupProblem(
                    "%s is %d; write a number from 0 to 65535".formatted(setting, port));
        }
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

    /**
     * Whether only this machine reaches what listens on {@code host}.
     *
     * @throws StartupProblem when it is nobody's address
     */
    public static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            throw new StartupProblem(
                    "reelfleet.listen-host '%s' is not an address of this machine".formatted(host),
                    e);
        }
    }

    /**
     * The port that the application got, once it listens.
     *
     * @param config as above; Quarkus writes there what it got for 0
     */
    public static int ofApplication(Function<String, Optional<String>> config) {
        boolean tls =
                current(config, "quarkus.http.insecure-requests")
                        .filter("disabled"::equals)
                        .isPresent();
        return current(config, tls ? "quarkus.http.ssl-port" : "quarkus.http.port")
                .map(Integer::parseInt)
                .orElse(0);
    }

    /** The management port, once it listens; 0 without one. */
    public static int ofManagement(Function<String, Optional<String>> config) {
        return current(config, "quarkus.management.port").map(Integer::parseInt).orElse(0);
    }

    private static Optional<String> current(
            Function<String, Optional<String>> config, String name) {
        String got = System.getProperty(name);
        return got != null ? Optional.of(got) : config.apply(name);
    }
}
