package io.reelfleet.trust;

import java.net.URI;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Optional;

/**
 * What a certificate says of its holder.
 *
 * @param role what the holder may call
 * @param name unique within the role: a worker's name, or the role itself
 * @param hosts host names and IP addresses that others reach it by
 */
public record PeerIdentity(Role role, String name, List<String> hosts) {

    private static final String TRUST_DOMAIN = "reelfleet.io";
    private static final int SAN_URI = 6;

    /** The parts that show a certificate. */
    public enum Role {
        OPERATOR,
        WORKER,
        GATEWAY
    }

    public PeerIdentity {
        if (!name.matches("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")) {
            throw new IllegalArgumentException("A peer's name is a DNS name, not '" + name + "'.");
        }
        hosts = List.copyOf(hosts);
    }

    /** The name in the form of a SPIFFE ID, {@code spiffe://reelfleet.io/<role>/<name>}. */
    public URI uri() {
        return URI.create(
                "spiffe://"
                        + TRUST_DOMAIN
                        + "/"
                        + role.name().toLowerCase(java.util.Locale.ROOT)
                        + "/"
                        + name);
    }

    /**
     * Reads role and name back from a certificate that a handshake has verified; empty when it has
     * none of ours.
     */
    public static Optional<PeerIdentity> of(X509Certificate certificate) {
        try {
            if (certificate.getSubjectAlternativeNames() == null) {
                return Optional.empty();
            }
            for (List<?> san : certificate.getSubjectAlternativeNames()) {
                if (((Integer) san.get(0)) == SAN_URI) {
                    return parse(URI.create((String) san.get(1)));
                }
            }
            return Optional.empty();
        } catch (CertificateParsingException | IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static Optional<PeerIdentity> parse(URI uri) {
        String[] path = uri.getPath() == null ? new String[0] : uri.getPath().split("/");
        if (!"spiffe".equals(uri.getScheme())
                || !TRUST_DOMAIN.equals(uri.getHost())
                || path.length != 3) {
            return Optional.empty();
        }
        for (Role role : Role.values()) {
            if (role.name().toLowerCase(java.util.Locale.ROOT).equals(path[1])) {
                return Optional.of(new PeerIdentity(role, path[2], List.of()));
            }
        }
        return Optional.empty();
    }
}
