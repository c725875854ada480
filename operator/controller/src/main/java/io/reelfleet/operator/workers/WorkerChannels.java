package io.reelfleet.operator.workers;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Makes channels to workers: by mutual TLS with the certificates of a folder, or in clear text
 * without one.
 */
public final class WorkerChannels {
    private static final int LARGEST_MESSAGE = 16 << 20;

    private final Optional<Path> tlsFolder;

    /**
     * @param tlsFolder {@code ca.crt}, {@code tls.crt}, {@code tls.key}; read anew for every
     *     channel, since they are renewed
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
        if (tlsFolder.isEmpty()) {
            return InsecureChannelCredentials.create();
        }
        Path folder = tlsFolder.get();
        try {
            return TlsChannelCredentials.newBuilder()
                    .trustManager(folder.resolve("ca.crt").toFile())
                    .keyManager(
                            folder.resolve("tls.crt").toFile(), folder.resolve("tls.key").toFile())
                    .build();
        } catch (IOException e) {
            throw new UncheckedIOException("reelfleet.tls.dir " + folder + " cannot be read", e);
        }
    }
}
