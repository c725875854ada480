package io.reelfleet.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class PortsTest {

    private static Function<String, Optional<String>> settings(String... keysAndValues) {
        return key -> {
            for (int i = 0; i < keysAndValues.length; i += 2) {
                if (keysAndValues[i].equals(key)) {
                    return Optional.of(keysAndValues[i + 1]);
                }
            }
            return Optional.empty();
        };
    }

    @Test
    void aPortInUseIsNamedWithItsSettingAndAFreeOneIsNot() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String port = Integer.toString(taken.getLocalPort());
            for (String setting : List.of("quarkus.http.port", "quarkus.management.port")) {
                assertThatThrownBy(() -> Ports.mustBeFree(settings(setting, port)))
                        .isInstanceOf(StartupProblem.class)
                        .hasMessage(
                                "port %s on 127.0.0.1 is in use: set %s to another one, or 0 for any that is free",
                                port, setting);
            }
            assertThatCode(
                            () ->
                                    Ports.mustBeFree(
                                            settings(
                                                    "quarkus.management.port",
                                                    port,
                                                    "quarkus.management.enabled",
                                                    "false")))
                    .doesNotThrowAnyException();
        }
        assertThatCode(() -> Ports.mustBeFree(settings("quarkus.http.port", "0")))
                .doesNotThrowAnyException();
    }

    @Test
    void aPortThatIsNoNumberIsNamed() {
        assertThatThrownBy(() -> Ports.mustBeFree(settings("quarkus.http.port", "http")))
                .hasMessage("quarkus.http.port is \"http\"; write a number from 0 to 65535");
        assertThatThrownBy(() -> Ports.mustBeFree(settings("quarkus.http.port", "70000")))
                .hasMessage("quarkus.http.port is 70000; write a number from 0 to 65535");
    }

    @Test
    void onlyThisMachineIsLoopback() {
        assertThat(Ports.isLoopback("127.0.0.1")).isTrue();
        assertThat(Ports.isLoopback("0.0.0.0")).isFalse();
        assertThatThrownBy(() -> Ports.isLoopback("no.such.host.invalid"))
                .hasMessageContaining("reelfleet.listen-host 'no.such.host.invalid'");
    }
}
