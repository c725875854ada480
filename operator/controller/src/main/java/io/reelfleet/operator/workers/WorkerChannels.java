package io.reelfleet.operator.workers;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import io.reelfleet.trust.PartTls;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Makes channels to workers and to the operator that leads: by mutual TLS with the certificates of
 * a folder, or in clear text without one.
 */
public final class WorkerChannels {
    private static final int LARGEST_MESSAGE = 16 << 20;

    private final Optional<Path> tlsFolder;
    private PartTls tls;

    /**
     * @param tlsFolder {@code ca.crt}, {@code tls.crt}, {@code tls.key}; read again when they have
     *     been renewed
     */
    public WorkerChannels(Optional<Path> tlsFolder) {
        this.tlsFolder = tlsFolder;
    }

    /** A channel to {@code host:port}, which connects when it is used. */
    public ManagedChannel open(String endpoint) {
        return Grpc.newChannelBuilder(endpoint, credentials())
                .maxInboundMessageSize(LARGEST_MESSAGE)
                .keepAliveTime(20, TimeUnit.SECONDS)
                .keepAliveTimeout(5, TimeUnit.SECONDS)
                .build();
    }

    private ChannelCredentials credentials() {
        return tlsFolder.isEmpty()
                ? InsecureChannelCredentials.create()
                : TlsChannelCredentials.newBuilder()
                        .keyManager(tls().keyManager())
                        .trustManager(tls().trustManager())
                        .build();
    }

    private synchronized PartTls tls() {
        if (tls == null) {
            tls = PartTls.of(tlsFolder.orElseThrow());
        }
        return tls;
    }
}
