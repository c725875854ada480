package io.reelfleet.gateway.auth;

import jakarta.inject.Singleton;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * One-time codes: who holds the API token gets one and opens a browser with it, so that no token is
 * ever in a URL. A code is good for one sign-in within a minute.
 */
@Singleton
public class LoginCodes {
    /** How long a code is good. */
    public static final Duration LASTS = Duration.ofSeconds(60);

    private static final int MOST = 64;

    private final SecureRandom chance = new SecureRandom();
    private final Map<String, Code> codes = new LinkedHashMap<>();
    private final Clock clock;

    private record Code(String apiToken, Instant until) {}

    public LoginCodes() {
        this(Clock.systemUTC());
    }

    LoginCodes(Clock clock) {
        this.clock = clock;
    }

    /** A new code that stands for {@code apiToken}. */
    public synchronized String issue(String apiToken) {
        byte[] bytes = new byte[24];
        chance.nextBytes(bytes);
        String code = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
        codes.put(code, new Code(apiToken, clock.instant().plus(LASTS)));
        if (codes.size() > MOST) {
            codes.remove(codes.keySet().iterator().next());
        }
        return code;
    }

    /** The API token that {@code code} stands for; the code is used up. */
    public synchronized Optional<String> redeem(String code) {
        Code known = code == null ? null : codes.remove(code);
        return known == null || clock.instant().isAfter(known.until())
                ? Optional.empty()
                : Optional.of(known.apiToken());
    }
}
