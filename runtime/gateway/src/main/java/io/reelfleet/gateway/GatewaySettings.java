package io.reelfleet.gateway;

import io.reelfleet.process.StartupProblem;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.eclipse.microprofile.config.Config;

/** The gateway's settings, named {@code reelfleet.…} as docs/developers/processes.md lists them. */
@Singleton
public class GatewaySettings {
    private final Config config;

    @Inject
    GatewaySettings(Config config) {
        this.config = config;
    }

    private Optional<String> text(String name) {
        return config.getOptionalValue(name, String.class).filter(s -> !s.isBlank());
    }

    private Optional<Path> path(String name) {
        return text(name).map(Path::of);
    }

    /** {@code reelfleet.store}: where the session logs lie. */
    public String store() {
        return text("reelfleet.store")
                .orElseThrow(
                        () ->
                                new StartupProblem(
                                        "reelfleet.store is not set: write file:/dir or s3://bucket/prefix"));
    }

    /** {@code reelfleet.tokens.public-key-file}: PEM, checks viewers' tokens. */
    public Path tokensPublicKeyFile() {
        return path("reelfleet.tokens.public-key-file")
                .orElseThrow(
                        () ->
                                new StartupProblem(
                                        "reelfleet.tokens.public-key-file is not set: write the PEM file with the public key of"
                                                + " viewers' tokens"));
    }

    /**
     * {@code reelfleet.operator.endpoint}: host:port of the operator; without it there is no list
     * of sessions.
     */
    public Optional<String> operatorEndpoint() {
        return text("reelfleet.operator.endpoint");
    }

    /** {@code reelfleet.api.token-file}: the API token that people sign in with on a laptop. */
    public Optional<Path> apiTokenFile() {
        return path("reelfleet.api.token-file");
    }

    /**
     * {@code reelfleet.gateway.cookie-key-file}: at least 32 bytes; gateways that share it take
     * each other's sign-ins.
     */
    public Optional<Path> cookieKeyFile() {
        return path("reelfleet.gateway.cookie-key-file");
    }

    /** {@code reelfleet.tls.dir}: this part's certificate towards workers and operator. */
    public Optional<Path> tlsDir() {
        return path("reelfleet.tls.dir");
    }

    /** {@code reelfleet.insecure}: clear text over a network is all right. */
    public boolean insecure() {
        return config.getOptionalValue("reelfleet.insecure", Boolean.class).orElse(false);
    }

    /** Whether browsers reach this gateway by HTTPS, so that cookies say {@code Secure}. */
    public boolean secureCookies() {
        return text("reelfleet.gateway.tls.dir").isPresent()
                || config.getOptionalValue("reelfleet.gateway.behind-tls-proxy", Boolean.class)
                        .orElse(false);
    }

    /**
     * {@code reelfleet.gateway.cache-bytes}: media kept in memory, all sessions together; default
     * 128 MiB.
     */
    public long cacheBytes() {
        return config.getOptionalValue("reelfleet.gateway.cache-bytes", Long.class)
                .orElse(128L << 20);
    }

    /**
     * How long a session is followed after its last viewer's last request: HLS players come back
     * within it.
     */
    public Duration linger() {
        return config.getOptionalValue("reelfleet.gateway.linger", Duration.class)
                .orElse(Duration.ofSeconds(10));
    }

    /**
     * {@code reelfleet.gateway.slow-viewer}: a viewer that takes no byte for this long is dropped;
     * default 15 s.
     */
    public Duration slowViewer() {
        return config.getOptionalValue("reelfleet.gateway.slow-viewer", Duration.class)
                .orElse(Duration.ofSeconds(15));
    }

    /** {@code reelfleet.endpoint-file}: where to write how this process is reached. */
    public Optional<Path> endpointFile() {
        return path("reelfleet.endpoint-file");
    }

    /** {@code reelfleet.parent-pid}: end with this process. */
    public Optional<Long> parentPid() {
        return config.getOptionalValue("reelfleet.parent-pid", Long.class);
    }
}
