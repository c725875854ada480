package io.reelfleet.gateway.tls;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.process.StartupProblem;
import io.reelfleet.trust.PartTls;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * Mutual TLS towards the other parts from the folder {@code reelfleet.tls.dir}; clear text without
 * one, and then only on a loopback address.
 */
@Singleton
public final class PartsTls {
    private final Optional<Path> folder;
    private final boolean insecure;
    private PartTls tls;

    @Inject
    PartsTls(GatewaySettings settings) {
        this.folder = settings.tlsDir();
        this.insecure = settings.insecure();
    }

    /** Whether there is a certificate to show. */
    public boolean on() {
        return folder.isPresent();
    }

    /**
     * Says whether {@code host} may be talked to as things are.
     *
     * @throws StartupProblem when that would be clear text over a network
     */
    public void check(String host) {
        if (on() || insecure) {
            return;
        }
        try {
            if (InetAddress.getByName(host).isLoopbackAddress()) {
                return;
            }
        } catch (UnknownHostException e) {
            throw new StartupProblem("the host '%s' is not known".formatted(host), e);
        }
        throw new StartupProblem(
                "'%s' is not this machine and reelfleet.tls.dir is not set: set it to a folder with ca.crt, tls.crt and tls.key"
                        .formatted(host));
    }

    /** What a gRPC channel to another part shows and trusts. */
    public ChannelCredentials channelCredentials() {
        return on()
                ? TlsChannelCredentials.newBuilder()
                        .keyManager(tls().keyManager())
                        .trustManager(tls().trustManager())
                        .build()
                : InsecureChannelCredentials.create();
    }

    /** The same for an HTTP client; empty in clear text. */
    public Optional<SSLContext> sslContext() {
        return on() ? Optional.of(tls().context()) : Optional.empty();
    }

    /** In a cluster the folder is filled some time after the start. */
    private synchronized PartTls tls() {
        if (tls == null) {
            try {
                tls = PartTls.of(folder.orElseThrow());
            } catch (IllegalArgumentException e) {
                throw new StartupProblem("reelfleet.tls.dir " + e.getMessage(), e);
            }
        }
        return tls;
    }
}
