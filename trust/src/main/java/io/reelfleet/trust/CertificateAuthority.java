package io.reelfleet.trust;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.pkcs.PKCSException;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequest;

/** The installation's own authority. Thread-safe. */
public final class CertificateAuthority {

    /** How long a part's certificate lasts (DESIGN: trust). */
    public static final Duration LEAF_VALIDITY = Duration.ofHours(24);

    private static final Duration AUTHORITY_VALIDITY = Duration.ofDays(3650);

    /** Clocks of nodes may be apart by this much. */
    private static final Duration CLOCK_SKEW = Duration.ofMinutes(15);

    private static final SecureRandom RANDOM = new SecureRandom();
    private static final String SIGNATURE = "SHA256withECDSA";
    private static final int SERIAL_BITS = 128;

    private final X509Certificate certificate;
    private final PrivateKey key;
    private final Clock clock;

    private CertificateAuthority(X509Certificate certificate, PrivateKey key, Clock clock) {
        this.certificate = certificate;
        this.key = key;
        this.clock = clock;
    }

    /** A new authority with a key of its own. */
    public static CertificateAuthority create(Clock clock) {
        try {
            KeyPair pair = CertificateRequest.newKeyPair();
            X500Principal name = new X500Principal("CN=Reelfleet authority");
            Instant now = clock.instant();
            var builder =
                    new JcaX509v3CertificateBuilder(
                            name,
                            serial(),
                            Date.from(now.minus(CLOCK_SKEW)),
                            Date.from(now.plus(AUTHORITY_VALIDITY)),
                            name,
                            pair.getPublic());
            builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(0));
            builder.addExtension(
                    Extension.keyUsage,
                    true,
                    new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
            X509Certificate certificate =
                    new JcaX509CertificateConverter()
                            .getCertificate(
                                    builder.build(
                                            new JcaContentSignerBuilder(SIGNATURE)
                                                    .build(pair.getPrivate())));
            return new CertificateAuthority(certificate, pair.getPrivate(), clock);
        } catch (GeneralSecurityException | IOException | OperatorCreationException e) {
            throw new IllegalStateException("This JVM cannot make a P-256 authority.", e);
        }
    }

    /**
     * The authority that was stored as PEM.
     *
     * @throws IllegalArgumentException when they are not a certificate and its key
     */
    public static CertificateAuthority of(
            String certificatePem, String privateKeyPem, Clock clock) {
        try {
            X509Certificate certificate =
                    (X509Certificate)
                            CertificateFactory.getInstance("X.509")
                                    .generateCertificate(
                                            new ByteArrayInputStream(
                                                    Pem.read("CERTIFICATE", certificatePem)));
            PrivateKey key =
                    KeyFactory.getInstance("EC")
                            .generatePrivate(
                                    new PKCS8EncodedKeySpec(
                                            Pem.read("PRIVATE KEY", privateKeyPem)));
            return new CertificateAuthority(certificate, key, clock);
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException(
                    "The stored authority is not a certificate and its EC key; remove both to make a new one.",
                    e);
        }
    }

    Clock clock() {
        return clock;
    }

    public String certificatePem() {
        try {
            return Pem.write("CERTIFICATE", certificate.getEncoded());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    /** PKCS #8; for the Secret or the 0600 file that keeps it, nothing else. */
    public String privateKeyPem() {
        return Pem.write("PRIVATE KEY", key.getEncoded());
    }

    /**
     * Certifies a request's key for a peer whose identity the caller has verified; what the request
     * says of itself is ignored.
     *
     * @throws IllegalArgumentException when the request is malformed or not signed by its own key
     */
    public String sign(String requestPem, PeerIdentity peer, Duration validity) {
        try {
            var request =
                    new JcaPKCS10CertificationRequest(Pem.read("CERTIFICATE REQUEST", requestPem));
            PublicKey publicKey = request.getPublicKey();
            if (!request.isSignatureValid(
                    new JcaContentVerifierProviderBuilder().build(publicKey))) {
                throw new IllegalArgumentException(
                        "The certificate request is not signed by its own key.");
            }
            Instant now = clock.instant();
            var builder =
                    new JcaX509v3CertificateBuilder(
                            certificate,
                            serial(),
                            Date.from(now.minus(CLOCK_SKEW)),
                            Date.from(now.plus(validity)),
                            new X500Principal(
                                    "CN=" + peer.role().name().toLowerCase(java.util.Locale.ROOT)),
                            publicKey);
            builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
            builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
            builder.addExtension(
                    Extension.extendedKeyUsage,
                    false,
                    new ExtendedKeyUsage(
                            new KeyPurposeId[] {
                                KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth
                            }));
            builder.addExtension(Extension.subjectAlternativeName, false, names(peer));
            return Pem.write(
                    "CERTIFICATE",
                    builder.build(new JcaContentSignerBuilder(SIGNATURE).build(key)).getEncoded());
        } catch (GeneralSecurityException
                | IOException
                | OperatorCreationException
                | PKCSException e) {
            throw new IllegalArgumentException("The certificate request cannot be read.", e);
        }
    }

    /** Issues a key and certificate, as the launcher does for the processes it starts. */
    public TlsFolder.Content issue(PeerIdentity peer, Duration validity) {
        CertificateRequest request = CertificateRequest.create();
        return new TlsFolder.Content(
                certificatePem(),
                sign(request.requestPem(), peer, validity),
                request.privateKeyPem());
    }

    private static GeneralNames names(PeerIdentity peer) {
        List<GeneralName> names = new ArrayList<>();
        names.add(new GeneralName(GeneralName.uniformResourceIdentifier, peer.uri().toString()));
        for (String host : peer.hosts()) {
            boolean address = host.matches("[0-9.]+") || host.contains(":");
            names.add(new GeneralName(address ? GeneralName.iPAddress : GeneralName.dNSName, host));
        }
        return new GeneralNames(names.toArray(GeneralName[]::new));
    }

    private static BigInteger serial() {
        return new BigInteger(SERIAL_BITS, RANDOM).add(BigInteger.ONE);
    }
}
