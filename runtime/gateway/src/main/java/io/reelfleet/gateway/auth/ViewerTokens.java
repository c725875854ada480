package io.reelfleet.gateway.auth;

import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.process.StartupProblem;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Clock;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import org.jose4j.jwa.AlgorithmConstraints;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jws.AlgorithmIdentifiers;
import org.jose4j.jwt.JwtClaims;
import org.jose4j.jwt.MalformedClaimException;
import org.jose4j.jwt.NumericDate;
import org.jose4j.jwt.consumer.InvalidJwtException;
import org.jose4j.jwt.consumer.JwtConsumerBuilder;

/**
 * Checks viewers' tokens: JWT signed with ES256 by the operator, for one session ({@code sub}) and
 * until {@code exp}. Why one is refused is nobody's business.
 */
@Singleton
public class ViewerTokens {
    private static final int LONGEST = 4096;
    private static final String BEARER = "Bearer ";

    private final PublicKey key;
    private final Clock clock;

    @Inject
    ViewerTokens(GatewaySettings settings) {
        this(read(settings.tokensPublicKeyFile()), Clock.systemUTC());
    }

    ViewerTokens(PublicKey key, Clock clock) {
        this.key = key;
        this.clock = clock;
    }

    /**
     * Somebody who may watch one session.
     *
     * @param uid of the session
     * @param id stands for the token in logs and heartbeats; tells nothing about it
     * @param expires seconds since 1970
     */
    public record Viewer(String uid, String id, long expires) {}

    /** Who shows {@code token}, whatever its session; empty when it is not valid now. */
    public Optional<Viewer> viewer(String token) {
        if (token == null || token.isEmpty() || token.length() > LONGEST) {
            return Optional.empty();
        }
        try {
            JwtClaims claims =
                    new JwtConsumerBuilder()
                            .setVerificationKey(key)
                            .setJwsAlgorithmConstraints(
                                    new AlgorithmConstraints(
                                            ConstraintType.PERMIT,
                                            AlgorithmIdentifiers.ECDSA_USING_P256_CURVE_AND_SHA256))
                            .setExpectedIssuer("reelfleet")
                            .setExpectedAudience("viewer")
                            .setRequireSubject()
                            .setRequireExpirationTime()
                            .setEvaluationTime(NumericDate.fromMilliseconds(clock.millis()))
                            .build()
                            .processToClaims(token);
            return Optional.of(
                    new Viewer(
                            claims.getSubject(), id(token), claims.getExpirationTime().getValue()));
        } catch (InvalidJwtException | MalformedClaimException e) {
            return Optional.empty();
        }
    }

    /** Who shows {@code token}, if it is for session {@code uid}. */
    public Optional<Viewer> viewer(String token, String uid) {
        return viewer(token).filter(v -> v.uid().equals(uid));
    }

    /** The token in an {@code Authorization} header; null when it has none. */
    public static String bearer(String header) {
        if (header == null || !header.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
            return null;
        }
        return header.substring(BEARER.length()).strip();
    }

    /** The cookie that carries a viewer's token for session {@code uid}. */
    public static String cookie(String uid) {
        return "reelfleet_" + uid;
    }

    private static String id(String token) {
        try {
            byte[] hash =
                    MessageDigest.getInstance("SHA-256")
                            .digest(token.getBytes(StandardCharsets.US_ASCII));
            return HexFormat.of().formatHex(hash, 0, 6);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static PublicKey read(Path file) {
        try {
            String base64 =
                    Files.readString(file, StandardCharsets.US_ASCII)
                            .replaceAll("-----(BEGIN|END) PUBLIC KEY-----", "")
                            .replaceAll("\\s", "");
            return KeyFactory.getInstance("EC")
                    .generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(base64)));
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            throw new StartupProblem(
                    "reelfleet.tokens.public-key-file %s cannot be read as a PEM public key on the curve P-256"
                            .formatted(file),
                    e);
        }
    }
}
