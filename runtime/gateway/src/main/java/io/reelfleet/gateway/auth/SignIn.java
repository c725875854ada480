package io.reelfleet.gateway.auth;

import io.reelfleet.gateway.GatewaySettings;
import io.reelfleet.process.StartupProblem;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;
import org.jose4j.json.JsonUtil;
import org.jose4j.jwa.AlgorithmConstraints;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jwe.ContentEncryptionAlgorithmIdentifiers;
import org.jose4j.jwe.JsonWebEncryption;
import org.jose4j.jwe.KeyManagementAlgorithmIdentifiers;
import org.jose4j.lang.JoseException;

/**
 * The sign-in of a person who may see the whole fleet: an encrypted cookie that holds the API token
 * they gave, so that a gateway remembers nobody and one that was restarted still knows them.
 *
 * <p>The key comes from {@code reelfleet.gateway.cookie-key-file}, else from the API token file,
 * else from chance (then people sign in again after a restart).
 */
@Singleton
public class SignIn {
    /** Name of the cookie. */
    public static final String COOKIE = "reelfleet_person";

    /** How long a person stays signed in. */
    public static final Duration LASTS = Duration.ofHours(12);

    private static final int LONGEST = 16_384;

    private final SecretKey key;
    private final Clock clock;

    @Inject
    SignIn(GatewaySettings settings) {
        this(secret(settings), Clock.systemUTC());
    }

    SignIn(byte[] secret, Clock clock) {
        this.key = new SecretKeySpec(derive(secret), "AES");
        this.clock = clock;
    }

    /** The cookie's value for a person who showed {@code apiToken}. */
    public String seal(String apiToken) {
        JsonWebEncryption jwe = new JsonWebEncryption();
        jwe.setAlgorithmHeaderValue(KeyManagementAlgorithmIdentifiers.DIRECT);
        jwe.setEncryptionMethodHeaderParameter(ContentEncryptionAlgorithmIdentifiers.AES_256_GCM);
        jwe.setKey(key);
        jwe.setPayload(
                JsonUtil.toJson(
                        java.util.Map.of(
                                "token",
                                apiToken,
                                "until",
                                clock.instant().plus(LASTS).getEpochSecond())));
        try {
            return jwe.getCompactSerialization();
        } catch (JoseException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The API token in a cookie's value, if this installation sealed it and it is not too old. */
    public Optional<String> open(String cookie) {
        if (cookie == null || cookie.isEmpty() || cookie.length() > LONGEST) {
            return Optional.empty();
        }
        try {
            JsonWebEncryption jwe = new JsonWebEncryption();
            jwe.setAlgorithmConstraints(
                    new AlgorithmConstraints(
                            ConstraintType.PERMIT, KeyManagementAlgorithmIdentifiers.DIRECT));
            jwe.setContentEncryptionAlgorithmConstraints(
                    new AlgorithmConstraints(
                            ConstraintType.PERMIT,
                            ContentEncryptionAlgorithmIdentifiers.AES_256_GCM));
            jwe.setKey(key);
            jwe.setCompactSerialization(cookie);
            var content = JsonUtil.parseJson(jwe.getPayload());
            if (content.get("until") instanceof Number until
                    && content.get("token") instanceof String token
                    && clock.instant().getEpochSecond() < until.longValue()) {
                return Optional.of(token);
            }
            return Optional.empty();
        } catch (JoseException e) {
            return Optional.empty();
        }
    }

    private static byte[] secret(GatewaySettings settings) {
        var file = settings.cookieKeyFile().or(settings::apiTokenFile);
        if (file.isEmpty()) {
            byte[] chance = new byte[32];
            new SecureRandom().nextBytes(chance);
            return chance;
        }
        try {
            return Files.readAllBytes(file.get());
        } catch (IOException e) {
            throw new StartupProblem(
                    "%s cannot be read: set reelfleet.gateway.cookie-key-file or reelfleet.api.token-file to a file that is there"
                            .formatted(file.get()),
                    e);
        }
    }

    private static byte[] derive(byte[] secret) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            sha256.update("reelfleet gateway sign-in\0".getBytes(StandardCharsets.US_ASCII));
            return sha256.digest(secret);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
