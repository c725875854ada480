package io.reelfleet.cli.fleet;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.spec.ECGenParameterSpec;
import java.util.Base64;
import java.util.HexFormat;

/**
 * The keys that viewers' tokens are signed and checked with (ES256), as PEM files.
 *
 * @param privateKey PKCS #8, the operator's
 * @param publicKey X.509, the gateway's
 */
record ViewerKeys(Path privateKey, Path publicKey) {
    /** Makes a pair in a folder. */
    static ViewerKeys create(Path folder) throws IOException {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            KeyPair pair = generator.generateKeyPair();
            ViewerKeys keys =
                    new ViewerKeys(folder.resolve("viewers.key"), folder.resolve("viewers.pub"));
            FleetFolder.writePrivately(
                    keys.privateKey(), pem("PRIVATE KEY", pair.getPrivate().getEncoded()));
            FleetFolder.writePrivately(
                    keys.publicKey(), pem("PUBLIC KEY", pair.getPublic().getEncoded()));
            return keys;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JDK has no P-256 keys", e);
        }
    }

    /** A random bearer token of 256 bits. */
    static String randomToken() {
        byte[] bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    private static String pem(String type, byte[] der) {
        String body =
                Base64.getMimeEncoder(64, "\n".getBytes(java.nio.charset.StandardCharsets.US_ASCII))
                        .encodeToString(der);
        return "-----BEGIN " + type + "-----\n" + body + "\n-----END " + type + "-----\n";
    }
}
