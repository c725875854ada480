package io.reelfleet.operator.tokens;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.process.StartupProblem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Signs viewers' tokens: JWTs by ES256, each for one session until it expires
 * (docs/developers/processes.md).
 */
public final class ViewerTokens {
    /** Of a token that asks for no other. */
    public static final Duration DEFAULT_TTL = Duration.ofHours(1);

    /** No token lives longer. */
    public static final Duration LONGEST_TTL = Duration.ofHours(24);

    private static final Base64.Encoder URL = Base64.getUrlEncoder().withoutPadding();
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int P256_BITS = 256;
    private static final String DERIVATION = "HmacSHA256";
    private static final int DERIVED_BYTES = 16;

    private final PrivateKey key;
    private final Clock clock;

    private ViewerTokens(PrivateKey key, Clock clock) {
        this.key = key;
        this.clock = clock;
    }

    /** A token and when it ends. */
    public record Token(String text, Instant expiresAt) {}

    /**
     * Takes the private key (PEM, PKCS#8, P-256) from a file. When there is none, makes one that
     * only its owner can read, with the public key beside it in {@code <file>.pub}.
     *
     * @throws StartupProblem when the file cannot be used
     */
    public static ViewerTokens open(Path keyFile, Clock clock) {
        try {
            if (!Files.exists(keyFile)) {
                create(keyFile);
            }
            return of(Files.readString(keyFile), "reelfleet.tokens.key-file " + keyFile, clock);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.tokens.key-file " + keyFile + " cannot be used: " + e.getMessage());
        }
    }

    /**
     * 16 bytes that whoever has the key derives alike, and nobody else.
     *
     * @param purpose what they are for; another one gives other bytes
     */
    public byte[] derive(String purpose) {
        try {
            Mac mac = Mac.getInstance(DERIVATION);
            mac.init(new SecretKeySpec(key.getEncoded(), DERIVATION));
            return Arrays.copyOf(
                    mac.doFinal(purpose.getBytes(StandardCharsets.UTF_8)), DERIVED_BYTES);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has " + DERIVATION, e);
        }
    }

    /**
     * Signs with this private key.
     *
     * @param where it comes from, for people
     * @throws StartupProblem when it is none
     */
    public static ViewerTokens of(String pem, String where, Clock clock) {
        try {
            byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
            PrivateKey key =
                    KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
            if (!(key instanceof ECPrivateKey ec)
                    || ec.getParams().getOrder().bitLength() != P256_BITS) {
                throw new StartupProblem(
                        where + " holds no P-256 key; write one, or take it away for a new one");
            }
            return new ViewerTokens(key, clock);
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new StartupProblem(
                    where
                            + " holds no PEM text of a PKCS#8 private key; write one, or take it away for a new one");
        }
    }

    /** A private and a public key, as PEM. */
    public record Keys(String privatePem, String publicPem) {
        @Override
        public String toString() {
            return "Keys[" + publicPem + "]";
        }
    }

    /** New keys. */
    public static Keys generate() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            KeyPair pair = generator.generateKeyPair();
            return new Keys(
                    pem("PRIVATE KEY", pair.getPrivate()), pem("PUBLIC KEY", pair.getPublic()));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java knows no P-256", e);
        }
    }

    private static void create(Path keyFile) throws IOException {
        Keys keys = generate();
        if (keyFile.toAbsolutePath().getParent() != null) {
            Files.createDirectories(keyFile.toAbsolutePath().getParent());
        }
        // The public key first: whoever sees the private one finds both.
        Path pub = keyFile.resolveSibling(keyFile.getFileName() + ".pub");
        Files.writeString(pub, keys.publicPem());
        Path next = keyFile.resolveSibling(keyFile.getFileName() + ".new");
        Files.deleteIfExists(next);
        Files.createFile(
                next,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(next, keys.privatePem());
        Files.move(next, keyFile, StandardCopyOption.ATOMIC_MOVE);
    }

    private static String pem(String kind, Key key) {
        return "-----BEGIN "
                + kind
                + "-----\n"
                + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key.getEncoded())
                + "\n-----END "
                + kind
                + "-----\n";
    }

    /**
     * A token for one session.
     *
     * @param ttl how long it is good for; longer than {@link #LONGEST_TTL} is cut to it
     */
    public Token issue(String sessionUid, Duration ttl) {
        Instant now = clock.instant();
        Instant expires = now.plus(ttl.compareTo(LONGEST_TTL) > 0 ? LONGEST_TTL : ttl);
        Map<String, Object> claims = new LinkedHashMap<>();
        claims.put("iss", "reelfleet");
        claims.put("aud", "viewer");
        claims.put("sub", sessionUid);
        claims.put("iat", now.getEpochSecond());
        claims.put("exp", expires.getEpochSecond());
        try {
            String head =
                    URL.encodeToString(
                            "{\"alg\":\"ES256\",\"typ\":\"JWT\"}".getBytes(StandardCharsets.UTF_8));
            String body = URL.encodeToString(JSON.writeValueAsBytes(claims));
            // JWS takes r and s side by side, not the DER form (RFC 7518, section 3.4).
            Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
            signature.initSign(key);
            signature.update((head + "." + body).getBytes(StandardCharsets.US_ASCII));
            return new Token(
                    head + "." + body + "." + URL.encodeToString(signature.sign()),
                    Instant.ofEpochSecond(expires.getEpochSecond()));
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException("a viewer's token cannot be signed", e);
        }
    }
}
