package io.reelfleet.trust;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/**
 * A fresh key and the request to have it certified. The request names nobody: the authority writes
 * into the certificate what it has verified by itself.
 *
 * @param privateKeyPem PKCS #8, PEM; never leaves the process that made it
 * @param requestPem PKCS #10, PEM
 */
public record CertificateRequest(String privateKeyPem, String requestPem) {

    /** Makes a P-256 key and its request. */
    public static CertificateRequest create() {
        try {
            KeyPair pair = newKeyPair();
            var request =
                    new JcaPKCS10CertificationRequestBuilder(
                                    new X500Principal("CN=reelfleet"), pair.getPublic())
                            .build(
                                    new JcaContentSignerBuilder("SHA256withECDSA")
                                            .build(pair.getPrivate()));
            return new CertificateRequest(
                    Pem.write("PRIVATE KEY", pair.getPrivate().getEncoded()),
                    Pem.write("CERTIFICATE REQUEST", request.getEncoded()));
        } catch (GeneralSecurityException | OperatorCreationException | IOException e) {
            throw new IllegalStateException("This JVM cannot make a P-256 certificate request.", e);
        }
    }

    static KeyPair newKeyPair() throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return generator.generateKeyPair();
    }

    @Override
    public String toString() {
        return "CertificateRequest[private key withheld]";
    }
}
