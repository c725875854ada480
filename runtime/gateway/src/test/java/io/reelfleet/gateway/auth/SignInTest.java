package io.reelfleet.gateway.auth;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;

class SignInTest {
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

    private static SignIn signIn(String secret, Instant at) {
        return new SignIn(
                secret.getBytes(java.nio.charset.StandardCharsets.UTF_8),
                Clock.fixed(at, ZoneOffset.UTC));
    }

    @Test
    void aCookieOutlivesTheGatewayAndNotItsTime() {
        String cookie = signIn("k", NOW).seal("api-token");
        assertThat(cookie).doesNotContain("api-token");
        assertThat(signIn("k", NOW.plus(SignIn.LASTS).minusSeconds(1)).open(cookie))
                .contains("api-token");
        assertThat(signIn("k", NOW.plus(SignIn.LASTS)).open(cookie)).isEmpty();
        assertThat(signIn("other", NOW).open(cookie)).isEmpty();
        assertThat(signIn("k", NOW).open(cookie.substring(0, cookie.length() - 4) + "AAAA"))
                .isEmpty();
        assertThat(signIn("k", NOW).open("nonsense")).isEmpty();
        assertThat(signIn("k", NOW).open(null)).isEmpty();
    }

    @Test
    void aCodeIsGoodOnceAndForAMinute() {
        LoginCodes codes = new LoginCodes(Clock.fixed(NOW, ZoneOffset.UTC));
        String code = codes.issue("api-token");
        assertThat(codes.redeem("another")).isEmpty();
        assertThat(codes.redeem(code)).contains("api-token");
        assertThat(codes.redeem(code)).isEmpty();
        Instant[] time = {NOW};
        LoginCodes slow =
                new LoginCodes(
                        new Clock() {
                            @Override
                            public ZoneOffset getZone() {
                                return ZoneOffset.UTC;
                            }

                            @Override
                            public Clock withZone(java.time.ZoneId zone) {
                                return this;
                            }

                            @Override
                            public Instant instant() {
                                return time[0];
                            }
                        });
        String late = slow.issue("api-token");
        time[0] = NOW.plus(LoginCodes.LASTS).plus(Duration.ofMillis(1));
        assertThat(slow.redeem(late)).isEmpty();
    }

    @Test
    void otherPagesAreNotOurs() {
        assertThat(RequestOrigin.isOurs(null, null, "h:1")).isTrue();
        assertThat(RequestOrigin.isOurs("same-origin", "https://h:1", "h:1")).isTrue();
        assertThat(RequestOrigin.isOurs("same-site", "https://h:2", "h:1")).isFalse();
        assertThat(RequestOrigin.isOurs(null, "https://h:2", "h:1")).isFalse();
        assertThat(RequestOrigin.isOurs("cross-site", null, "h:1")).isFalse();
        assertThat(RequestOrigin.isOurs(null, "null", "h:1")).isFalse();
    }
}
