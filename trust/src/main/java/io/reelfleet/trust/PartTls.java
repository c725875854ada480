package io.reelfleet.trust;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * What a part shows to others and whom it trusts, from a folder as {@link TlsFolder} writes it. The
 * files are read again when they have been renewed, so that connections which live longer than a
 * certificate come back with the new one. Thread-safe.
 */
public final class PartTls {
    private static final char[] NO_PASSWORD = new char[0];
    private static final String OWN = "own";

    private final Path folder;
    private Material material;
    private long readAt;

    private record Material(X509ExtendedKeyManager keys, X509ExtendedTrustManager trust) {}

    private PartTls(Path folder) {
        this.folder = folder;
    }

    /**
     * Of a folder that is filled.
     *
     * @throws IllegalArgumentException when a file is missing or is none
     */
    public static PartTls of(Path folder) {
        PartTls tls = new PartTls(folder);
        tls.material();
        return tls;
    }

    /** Shows the certificate that lies in the folder now. */
    public KeyManager keyManager() {
        return new Keys();
    }

    /** Trusts the authorities that lie in the folder now. */
    public TrustManager trustManager() {
        return new Trust();
    }

    /** Both, for clients that take a context. */
    public SSLContext context() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(
                    new KeyManager[] {keyManager()}, new TrustManager[] {trustManager()}, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private synchronized Material material() {
        try {
            // Written last, so that the others belong to it.
            long written = Files.getLastModifiedTime(folder.resolve("tls.crt")).toMillis();
            if (material == null || written != readAt) {
                material =
                        new Material(
                                keys(
                                        Files.readString(folder.resolve("tls.crt")),
                                        Files.readString(folder.resolve("tls.key"))),
                                trust(Files.readString(folder.resolve("ca.crt"))));
                readAt = written;
            }
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            if (material == null) {
                throw new IllegalArgumentException(
                        folder + " must hold ca.crt, tls.crt and tls.key as PEM: " + e.getMessage(),
                        e);
            }
        }
        return material;
    }

    private static X509ExtendedKeyManager keys(String certificatePem, String keyPem)
            throws IOException, GeneralSecurityException {
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(Pem.read("PRIVATE KEY", keyPem));
        PrivateKey key;
        try {
            key = KeyFactory.getInstance("EC").generatePrivate(spec);
        } catch (GeneralSecurityException e) {
            key = KeyFactory.getInstance("RSA").generatePrivate(spec);
        }
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        store.setKeyEntry(
                OWN,
                key,
                NO_PASSWORD,
                CertificateFactory.getInstance("X.509")
                        .generateCertificates(bytes(certificatePem))
                        .toArray(new Certificate[0]));
        KeyManagerFactory factory =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, NO_PASSWORD);
        return (X509ExtendedKeyManager) factory.getKeyManagers()[0];
    }

    /** Trusts these authorities and nobody else. */
    static X509ExtendedTrustManager trust(String authoritiesPem)
            throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        int n = 0;
        for (Certificate authority :
                CertificateFactory.getInstance("X.509")
                        .generateCertificates(bytes(authoritiesPem))) {
            store.setCertificateEntry("authority-" + n++, authority);
        }
        if (n == 0) {
            throw new IllegalArgumentException("The authority's PEM holds no certificate.");
        }
        TrustManagerFactory factory =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return (X509ExtendedTrustManager) factory.getTrustManagers()[0];
    }

    private static ByteArrayInputStream bytes(String pem) {
        return new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII));
    }

    private final class Keys extends X509ExtendedKeyManager {
        @Override
        public String[] getClientAliases(String keyType, Principal[] issuers) {
            return material().keys().getClientAliases(keyType, issuers);
        }

        @Override
        public String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
            return material().keys().chooseClientAlias(keyTypes, issuers, socket);
        }

        @Override
        public String chooseEngineClientAlias(
                String[] keyTypes, Principal[] issuers, SSLEngine engine) {
            return material().keys().chooseEngineClientAlias(keyTypes, issuers, engine);
        }

        @Override
        public String[] getServerAliases(String keyType, Principal[] issuers) {
            return material().keys().getServerAliases(keyType, issuers);
        }

        @Override
        public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
            return material().keys().chooseServerAlias(keyType, issuers, socket);
        }

        @Override
        public String chooseEngineServerAlias(
                String keyType, Principal[] issuers, SSLEngine engine) {
            return material().keys().chooseEngineServerAlias(keyType, issuers, engine);
        }

        @Override
        public X509Certificate[] getCertificateChain(String alias) {
            return material().keys().getCertificateChain(alias);
        }

        @Override
        public PrivateKey getPrivateKey(String alias) {
            return material().keys().getPrivateKey(alias);
        }
    }

    private final class Trust extends X509ExtendedTrustManager {
        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type)
                throws CertificateException {
            material().trust().checkClientTrusted(chain, type);
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
                throws CertificateException {
            material().trust().checkClientTrusted(chain, type, socket);
        }

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
                throws CertificateException {
            material().trust().checkClientTrusted(chain, type, engine);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type)
                throws CertificateException {
            material().trust().checkServerTrusted(chain, type);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
                throws CertificateException {
            material().trust().checkServerTrusted(chain, type, socket);
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
                throws CertificateException {
            material().trust().checkServerTrusted(chain, type, engine);
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return material().trust().getAcceptedIssuers();
        }
    }
}
