package io.reelfleet.trust;

import java.io.IOException;
import java.security.GeneralSecurityException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;

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
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[] {PartTls.trust(authoritiesPem)}, null);
            return context;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalArgumentException("The authority's PEM holds no certificate.", e);
        }
    }
}
