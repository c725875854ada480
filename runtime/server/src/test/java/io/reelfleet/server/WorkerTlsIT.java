package io.reelfleet.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.reelfleet.api.runtime.v1.HeartbeatRequest;
import io.reelfleet.api.runtime.v1.PrepareMoveRequest;
import io.reelfleet.api.runtime.v1.ReportRequest;
import io.reelfleet.api.runtime.v1.SessionServiceGrpc;
import io.reelfleet.api.runtime.v1.StartMoveRequest;
import io.reelfleet.api.runtime.v1.WorkerServiceGrpc;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.trust.CertificateAuthority;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.PeerIdentity.Role;
import io.reelfleet.trust.TlsFolder;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A worker with certificates lets only its own fleet's parts in, each to what its role may call.
 */
class WorkerTlsIT {

    @TempDir static Path folder;
    private static final CertificateAuthority AUTHORITY =
            CertificateAuthority.create(Clock.systemUTC());
    private static WorkerProcess worker;

    @BeforeAll
    static void start() throws Exception {
        Path model = folder.resolve("model");
        RandomModel.tiny().write(model, 1);
        issue(AUTHORITY, Role.WORKER, "w-tls");
        issue(AUTHORITY, Role.OPERATOR, "operator");
        issue(AUTHORITY, Role.GATEWAY, "gateway");
        issue(CertificateAuthority.create(Clock.systemUTC()), Role.OPERATOR, "stranger");
        worker =
                WorkerProcess.start(
                        folder,
                        "w-tls",
                        Map.of(
                                "reelfleet.model.uri",
                                "file:" + model,
                                "reelfleet.tls.dir",
                                folder.resolve("tls-w-tls").toString()));
        // On a busy machine the first handshake of a new process may take longer than a client
        // waits.
        WorkerProcess.await("a first handshake", WorkerTlsIT::answers, worker::output);
    }

    private static boolean answers() throws Exception {
        try {
            return report("operator").equals("w-tls");
        } catch (StatusRuntimeException e) {
            return false;
        }
    }

    @AfterAll
    static void stop() {
        worker.close();
    }

    @Test
    void theOperatorMayCommandAndTheGatewayMayOnlyBringViewers() throws Exception {
        assertThat(report("operator")).isEqualTo("w-tls");
        assertThatThrownBy(() -> report("gateway")).hasMessageContaining("PERMISSION_DENIED");
        assertThatThrownBy(() -> heartbeat("gateway")).hasMessageContaining("NOT_FOUND");
        assertThatThrownBy(() -> heartbeat("w-tls")).hasMessageContaining("PERMISSION_DENIED");
    }

    @Test
    void onlyTheOperatorMovesSessions() throws Exception {
        for (String caller : List.of("gateway", "w-tls")) {
            ManagedChannel channel = channel(credentials(caller));
            try {
                WorkerServiceGrpc.WorkerServiceBlockingStub worker =
                        WorkerServiceGrpc.newBlockingStub(channel)
                                .withDeadlineAfter(30, TimeUnit.SECONDS);
                assertThatThrownBy(
                                () -> worker.prepareMove(PrepareMoveRequest.getDefaultInstance()))
                        .hasMessageContaining("PERMISSION_DENIED");
                assertThatThrownBy(() -> worker.startMove(StartMoveRequest.getDefaultInstance()))
                        .hasMessageContaining("PERMISSION_DENIED");
            } finally {
                channel.shutdownNow();
            }
        }
    }

    @Test
    void aCertificateOfAnotherAuthorityOrNoneIsTurnedAway() {
        assertThatThrownBy(() -> report("stranger")).hasMessageContaining("UNAVAILABLE");
        assertThatThrownBy(
                        () ->
                                report(
                                        TlsChannelCredentials.newBuilder()
                                                .trustManager(
                                                        folder.resolve("tls-operator/ca.crt")
                                                                .toFile())
                                                .build()))
                .hasMessageContaining("UNAVAILABLE");
    }

    @Test
    void probesNeedNoCertificate() throws Exception {
        try (HttpClient http = HttpClient.newHttpClient()) {
            URI live = URI.create("http://127.0.0.1:" + worker.managementPort + "/q/health/live");
            assertThat(
                            http.send(
                                            HttpRequest.newBuilder(live).build(),
                                            HttpResponse.BodyHandlers.ofString())
                                    .statusCode())
                    .isEqualTo(200);
        }
    }

    private static void issue(CertificateAuthority authority, Role role, String name)
            throws Exception {
        PeerIdentity peer = new PeerIdentity(role, name, List.of("127.0.0.1", "localhost"));
        TlsFolder.write(
                folder.resolve("tls-" + name),
                authority.issue(peer, CertificateAuthority.LEAF_VALIDITY));
    }

    private static ChannelCredentials credentials(String name) throws Exception {
        Path tls = folder.resolve("tls-" + name);
        return TlsChannelCredentials.newBuilder()
                .keyManager(tls.resolve("tls.crt").toFile(), tls.resolve("tls.key").toFile())
                // Whom the stranger trusts does not matter here; the worker does not trust it.
                .trustManager(folder.resolve("tls-operator/ca.crt").toFile())
                .build();
    }

    private static String report(String name) throws Exception {
        return report(credentials(name));
    }

    private static String report(ChannelCredentials credentials) {
        ManagedChannel channel = channel(credentials);
        try {
            return WorkerServiceGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(30, TimeUnit.SECONDS)
                    .report(ReportRequest.newBuilder().setTerm(1).build())
                    .next()
                    .getHello()
                    .getWorker();
        } finally {
            channel.shutdownNow();
        }
    }

    private static void heartbeat(String name) throws Exception {
        ManagedChannel channel = channel(credentials(name));
        try {
            var unused =
                    SessionServiceGrpc.newBlockingStub(channel)
                            .withDeadlineAfter(30, TimeUnit.SECONDS)
                            .heartbeat(
                                    HeartbeatRequest.newBuilder().setSessionUid("nobody").build());
        } finally {
            channel.shutdownNow();
        }
    }

    private static ManagedChannel channel(ChannelCredentials credentials) {
        return Grpc.newChannelBuilderForAddress("127.0.0.1", worker.port, credentials).build();
    }
}
