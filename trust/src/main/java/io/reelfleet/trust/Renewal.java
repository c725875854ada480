package io.reelfleet.trust;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Renews the certificates of processes on one machine, where whoever has the authority writes their
 * folders.
 */
public final class Renewal {

    /** How long before its end a certificate is renewed. */
    public static final Duration AHEAD =
            CertificateAuthority.LEAF_VALIDITY.multipliedBy(2).dividedBy(3);

    private static final int SAN_DNS = 2;
    private static final int SAN_ADDRESS = 7;

    private Renewal() {}

    /**
     * Renews what ends within {@link #AHEAD} of the authority's clock: the same role, name and
     * hosts, with a key of its own again.
     *
     * @param folders as {@link TlsFolder} writes them; those without a certificate of ours are left
     *     alone
     * @return the folders that were renewed
     * @throws IOException when one cannot be read or written
     */
    public static List<Path> renew(CertificateAuthority authority, List<Path> folders)
            throws IOException {
        List<Path> renewed = new ArrayList<>();
        for (Path folder : folders) {
            Path file = folder.resolve("tls.crt");
            if (Files.exists(file) && renew(authority, folder, file)) {
                renewed.add(folder);
            }
        }
        return renewed;
    }

    private static boolean renew(CertificateAuthority authority, Path folder, Path file)
            throws IOException {
        try (var in = Files.newInputStream(file)) {
            X509Certificate old =
                    (X509Certificate)
                            CertificateFactory.getInstance("X.509").generateCertificate(in);
            var peer = PeerIdentity.of(old);
            if (peer.isEmpty()
                    || old.getNotAfter()
                            .toInstant()
                            .isAfter(authority.clock().instant().plus(AHEAD))) {
                return false;
            }
            TlsFolder.write(
                    folder,
                    authority.issue(
                            new PeerIdentity(peer.get().role(), peer.get().name(), hosts(old)),
                            CertificateAuthority.LEAF_VALIDITY));
            return true;
        } catch (CertificateException e) {
            throw new IOException(file + " is no certificate", e);
        }
    }

    private static List<String> hosts(X509Certificate certificate) throws CertificateException {
        List<String> hosts = new ArrayList<>();
        for (List<?> name : certificate.getSubjectAlternativeNames()) {
            int kind = (Integer) name.get(0);
            if (kind == SAN_DNS || kind == SAN_ADDRESS) {
                hosts.add((String) name.get(1));
            }
        }
        return hosts;
    }
}
