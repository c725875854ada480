package io.reelfleet.gateway.tls;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.gateway.SettingException;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.Optional;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Mutual TLS towards the other parts from the folder {@code reelfleet.tls.dir}; clear text without
 * one, and then only on a loopback address. Certificates are replaced while the gateway runs:
 * {@link #version} changes when they are.
 */
@Singleton
public final class PartsTls {
    private final Optional<Path> folder;
    private final boolean insecure;

    @Inject
    PartsTls(GatewaySettings settings) {
        this.folder = settings.tlsDir();
        this.insecure = settings.insecure();
    }

    /** Whether there is a certificate to show. */
    public boolean on() {
        return folder.isPresent();
    }

    /** Changes when the files do; 0 without any. */
    public long version() {
        if (folder.isEmpty()) {
            return 0;
        }
        try {
            return Files.getLastModifiedTime(folder.get().resolve("tls.crt")).toMillis();
        } catch (IOException e) {
            return 0;
        }
    }

    /**
     * Says whether {@code host} may be talked to as things are.
     *
     * @throws SettingException when that would be clear text over a network
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
            throw new SettingException("the host '%s' is not known".formatted(host), e);
        }
        throw new SettingException(
                "'%s' is not this machine and reelfleet.tls.dir is not set: set it to a folder with ca.crt, tls.crt and tls.key"
                        .formatted(host));
    }

    /** What a gRPC channel to another part shows and trusts. */
    public ChannelCredentials channelCredentials() {
        if (folder.isEmpty()) {
            return InsecureChannelCredentials.create();
        }
        try {
            return TlsChannelCredentials.newBuilder()
                    .trustManager(file("ca.crt").toFile())
                    .keyManager(file("tls.crt").toFile(), file("tls.key").toFile())
                    .build();
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** The same for an HTTP client; empty in clear text. */
    public Optional<SSLContext> sslContext() {
        if (folder.isEmpty()) {
            return Optional.empty();
        }
        try {
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null);
            int n = 0;
            for (Certificate authority : certificates("ca.crt")) {
                trusted.setCertificateEntry("authority-" + n++, authority);
            }
            TrustManagerFactory trust =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);
            KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
            own.load(null);
            own.setKeyEntry(
                    "gateway",
                    privateKey(),
                    new char[0],
                    certificates("tls.crt").toArray(new Certificate[0]));
            KeyManagerFactory keys =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(own, new char[0]);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return Optional.of(context);
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            throw unreadable(e);
        }
    }

    private Path file(String name) {
        return folder.orElseThrow().resolve(name);
    }

    private Collection<? extends Certificate> certificates(String name)
            throws IOException, GeneralSecurityException {
        return CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(file(name))));
    }

    private PrivateKey privateKey() throws IOException, GeneralSecurityException {
        String pem = Files.readString(file("tls.key"));
        String base64 =
                pem.replaceAll("-----(BEGIN|END) PRIVATE KEY-----", "").replaceAll("\\s", "");
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64));
        try {
            return KeyFactory.getInstance("EC").generatePrivate(spec);
        } catch (GeneralSecurityException e) {
            return KeyFactory.getInstance("RSA").generatePrivate(spec);
        }
    }

    private SettingException unreadable(Exception e) {
        return new SettingException(
                "reelfleet.tls.dir %s must hold ca.crt, tls.crt and tls.key as PEM: %s"
                        .formatted(folder.orElseThrow(), e.getMessage()),
                e);
    }
}
