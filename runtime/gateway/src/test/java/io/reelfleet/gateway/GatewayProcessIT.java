package io.reelfleet.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.gateway.hls.PlaylistCheck;
import io.reelfleet.gateway.testing.GatewayProcess;
import io.reelfleet.gateway.testing.SampleVideo;
import io.reelfleet.gateway.testing.SyntheticSession;
import io.reelfleet.gateway.testing.TokenAuthority;
import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The gateway as the process that people start. */
@Timeout(120)
class GatewayProcessIT {
    private static final Path JAR = Path.of("target/quarkus-app/quarkus-run.jar").toAbsolutePath();

    @TempDir Path folder;

    private final TokenAuthority authority = new TokenAuthority();
    private final Map<String, String> settings = new HashMap<>();

    @BeforeEach
    void settings() throws IOException {
        settings.put("reelfleet.store", "file:" + folder.resolve("store"));
        settings.put(
                "reelfleet.tokens.public-key-file",
                authority.writePublicKey(folder.resolve("public.pem")).toString());
    }

    private static byte[] get(HttpClient client, URI uri, String token) throws Exception {
        HttpResponse<byte[]> response =
                client.send(
                        HttpRequest.newBuilder(uri)
                                .header("Authorization", "Bearer " + token)
                                .build(),
                        BodyHandlers.ofByteArray());
        assertThat(response.statusCode()).as(uri.getPath()).isEqualTo(200);
        return response.body();
    }

    @Test
    void aViewerMissesNothingWhenTheGatewayDies() throws Exception {
        String token = authority.token("s");
        try (ChunkStore store = ChunkStores.open(settings.get("reelfleet.store"));
                HttpClient client = HttpClient.newHttpClient()) {
            SyntheticSession session =
                    new SyntheticSession(store, "s", "a red circle")
                            .owner("w-1", "127.0.0.1:1", 1)
                            .chunks(3);
            PlaylistCheck before;
            try (GatewayProcess gateway = new GatewayProcess(JAR, folder, settings)) {
                URI base = gateway.awaitAddress().resolve("/s/s/");
                before =
                        PlaylistCheck.of(
                                new String(get(client, base.resolve("index.m3u8"), token)));
                assertThat(before.segments()).hasSize(3);
                HttpResponse<String> health =
                        client.send(
                                HttpRequest.newBuilder(
                                                gateway.management().resolve("/q/health/ready"))
                                        .build(),
                                BodyHandlers.ofString());
                assertThat(health.statusCode()).as(health.body()).isEqualTo(200);
                String metrics =
                        client.send(
                                        HttpRequest.newBuilder(
                                                        gateway.management().resolve("/q/metrics"))
                                                .build(),
                                        BodyHandlers.ofString())
                                .body();
                assertThat(metrics).contains("reelfleet_gateway_sessions_watched 1.0");
                assertThat(gateway.output() + metrics).doesNotContain(token);
                gateway.kill();
            }
            session.owner("w-2", "127.0.0.1:2", 2).chunks(2).end();
            try (GatewayProcess gateway = new GatewayProcess(JAR, folder, settings)) {
                URI base = gateway.awaitAddress().resolve("/s/s/");
                PlaylistCheck after =
                        PlaylistCheck.of(
                                new String(get(client, base.resolve("index.m3u8"), token)));
                before.checkLater(after);
                assertThat(after.segments()).hasSize(5);
                for (int k = 0; k < 5; k++) {
                    assertThat(get(client, base.resolve(k + ".m4s"), token))
                            .isEqualTo(SampleVideo.load().segment(k).getFragment().toByteArray());
                }
            }
        }
    }

    @Test
    void aPortInUseIsOneSentence() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            settings.put("quarkus.http.port", Integer.toString(taken.getLocalPort()));
            refusedWith("port " + taken.getLocalPort() + " on 127.0.0.1 is in use: set ");
        }
    }

    @Test
    void clearTextStaysOnThisMachine() throws Exception {
        settings.put("reelfleet.listen-host", "0.0.0.0");
        refusedWith(
                "reelfleet.listen-host 0.0.0.0 is reachable from outside and nothing encrypts: set ");
    }

    @Test
    void aMissingSettingIsNamed() throws Exception {
        settings.remove("reelfleet.store");
        refusedWith("reelfleet.store is not set: write ");
    }

    @Test
    void inAClusterItWaitsForTheOperatorsKeysForAWhileAndNamesTheOneThatIsMissing()
            throws Exception {
        Path missing = folder.resolve("authority.crt");
        settings.put("reelfleet.trust.endpoint", "127.0.0.1:1");
        settings.put("reelfleet.trust.authority-file", missing.toString());
        long begun = System.nanoTime();
        refusedWith("reelfleet.trust.authority-file " + missing + " is not there: write ");
        assertThat(System.nanoTime() - begun).isGreaterThan(5_000_000_000L);
    }

    private void refusedWith(String beginning) throws Exception {
        try (GatewayProcess gateway = new GatewayProcess(JAR, folder, settings)) {
            assertThat(gateway.awaitEnd()).isEqualTo(1);
            assertThat(gateway.output()).startsWith(beginning).hasLineCount(1);
        }
    }

    @Test
    void endsWithItsParent() throws Exception {
        Process parent = new ProcessBuilder("sleep", "60").start();
        settings.put("reelfleet.parent-pid", Long.toString(parent.pid()));
        try (GatewayProcess gateway = new GatewayProcess(JAR, folder, settings)) {
            gateway.awaitAddress();
            parent.destroyForcibly().waitFor();
            assertThat(gateway.awaitEnd()).isZero();
        } finally {
            parent.destroyForcibly();
        }
    }
}
