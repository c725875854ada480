package io.reelfleet.gateway.auth;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.gateway.testing.TokenAuthority;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import org.junit.jupiter.api.Test;

class ViewerTokensTest {
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

    private final TokenAuthority authority = new TokenAuthority();
    private final ViewerTokens tokens =
            new ViewerTokens(authority.publicKey(), Clock.fixed(NOW, ZoneOffset.UTC));

    @Test
    void isForOneSessionUntilItExpires() {
        String token = authority.token("s-1", "reelfleet", "viewer", NOW.plusSeconds(1));
        assertThat(tokens.viewer(token, "s-1"))
                .hasValueSatisfying(
                        v -> assertThat(v.expires()).isEqualTo(NOW.getEpochSecond() + 1));
        assertThat(tokens.viewer(token, "s-2")).isEmpty();
        String old = authority.token("s-1", "reelfleet", "viewer", NOW.minusSeconds(1));
        assertThat(tokens.viewer(old, "s-1")).isEmpty();
        String endless = authority.token("s-1", "reelfleet", "viewer", null);
        assertThat(tokens.viewer(endless, "s-1")).isEmpty();
    }

    @Test
    void isNobodyElsesToken() {
        Instant later = NOW.plusSeconds(60);
        assertThat(tokens.viewer(new TokenAuthority().token("s-1", "reelfleet", "viewer", later)))
                .isEmpty();
        assertThat(tokens.viewer(authority.token("s-1", "other", "viewer", later))).isEmpty();
        assertThat(tokens.viewer(authority.token("s-1", "reelfleet", "admin", later))).isEmpty();
    }

    @Test
    void isNotUnsignedOrAltered() {
        String token = authority.token("s-1", "reelfleet", "viewer", NOW.plusSeconds(60));
        String[] parts = token.split("\\.");
        String none = base64("{\"alg\":\"none\"}");
        assertThat(tokens.viewer(none + "." + parts[1] + ".")).isEmpty();
        assertThat(tokens.viewer(none + "." + parts[1] + "." + parts[2])).isEmpty();
        String hmac = base64("{\"alg\":\"HS256\"}");
        assertThat(tokens.viewer(hmac + "." + parts[1] + "." + parts[2])).isEmpty();
        String other =
                new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8)
                        .replace("s-1", "s-2");
        assertThat(tokens.viewer(parts[0] + "." + base64(other) + "." + parts[2])).isEmpty();
        assertThat(tokens.viewer(null)).isEmpty();
        assertThat(tokens.viewer("")).isEmpty();
        assertThat(tokens.viewer("a.b.c")).isEmpty();
        assertThat(tokens.viewer("x".repeat(100_000))).isEmpty();
    }

    private static String base64(String text) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
