package io.reelfleet.gateway.viewer;

import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import io.reelfleet.gateway.testing.OperatorStandIn;
import io.reelfleet.gateway.testing.TokenAuthority;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;

/** A store, a key and an operator for the gateway that Quarkus starts. */
public final class GatewayUnderTest implements QuarkusTestResourceLifecycleManager {
    static final String API_TOKEN = "the-api-token";
    static final TokenAuthority AUTHORITY = new TokenAuthority();

    private static Path folder;

    private OperatorStandIn operator;

    static ChunkStore store() {
        try {
            return ChunkStores.open("file:" + folder.resolve("store"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public Map<String, String> start() {
        try {
            folder = Files.createTempDirectory("reelfleet-gateway-test");
            Path key = AUTHORITY.writePublicKey(folder.resolve("public.pem"));
            Path apiToken = Files.writeString(folder.resolve("api-token"), API_TOKEN + "\n");
            operator =
                    new OperatorStandIn(
                            API_TOKEN,
                            AUTHORITY,
                            () -> "{\"pools\":[]}",
                            () -> "{\"sessions\":[]}");
            return Map.of(
                    "reelfleet.store",
                    "file:" + folder.resolve("store"),
                    "reelfleet.tokens.public-key-file",
                    key.toString(),
                    "reelfleet.api.token-file",
                    apiToken.toString(),
                    "reelfleet.operator.endpoint",
                    operator.endpoint());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void stop() {
        operator.close();
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
