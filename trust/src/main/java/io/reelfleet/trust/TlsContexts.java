package io.reelfleet.trust;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * TLS for a client that shows no certificate of its own and trusts the installation's authority
 * alone.
 */
public final class TlsContexts {

    private TlsContexts() {}

    /**
     * Trusts these authorities and nobody else.
     *
     * @param authoritiesPem one or more certificates
     * @throws IllegalArgumentException when they are not certificates
     */
    public static SSLContext trusting(String authoritiesPem) {
        try {
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null);
            int n = 0;
            for (Certificate authority :
                    CertificateFactory.getInstance("X.509")
                            .generateCertificates(
                                    new ByteArrayInputStream(
                                            authoritiesPem.getBytes(StandardCharsets.US_ASCII)))) {
                trusted.setCertificateEntry("authority-" + n++, authority);
            }
            if (n == 0) {
                throw new IllegalArgumentException("The authority's PEM holds no certificate.");
            }
            TrustManagerFactory factory =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, factory.getTrustManagers(), null);
            return context;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalArgumentException("The authority's PEM holds no certificate.", e);
        }
    }
}
