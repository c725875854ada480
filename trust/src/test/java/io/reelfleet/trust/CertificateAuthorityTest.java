package io.reelfleet.trust;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertificateAuthorityTest {
    @TempDir static Path folders;

    private static final PeerIdentity WORKER =
            new PeerIdentity(
                    PeerIdentity.Role.WORKER, "shapes-ab3de", List.of("127.0.0.1", "localhost"));
    private static final PeerIdentity OPERATOR =
            new PeerIdentity(PeerIdentity.Role.OPERATOR, "operator", List.of());

    private final CertificateAuthority authority = CertificateAuthority.create(Clock.systemUTC());

    @Test
    void twoPeersOfOneAuthorityShakeHandsAndSeeEachOthersRole() throws Exception {
        assertThat(handshake(context(authority, WORKER), context(authority, OPERATOR)))
                .isEqualTo("OPERATOR operator");
    }

    @Test
    void aPeerOfAnotherAuthorityIsRefused() {
        CertificateAuthority stranger = CertificateAuthority.create(Clock.systemUTC());
        assertThatThrownBy(() -> handshake(context(authority, WORKER), context(stranger, OPERATOR)))
                .isInstanceOf(Exception.class);
    }

    @Test
    void anExpiredCertificateIsRefused() {
        CertificateAuthority yesterday =
                CertificateAuthority.of(
                        authority.certificatePem(),
                        authority.privateKeyPem(),
                        Clock.offset(Clock.systemUTC(), Duration.ofHours(-1)));
        assertThatThrownBy(
                        () ->
                                handshake(
                                        context(authority, WORKER),
                                        context(yesterday, OPERATOR, Duration.ofMinutes(30))))
                .isInstanceOf(Exception.class);
    }

    @Test
    void aRequestThatIsNotARequestIsRefusedWithASentence() {
        assertThatThrownBy(() -> authority.sign("hello", WORKER, Duration.ofHours(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("CERTIFICATE REQUEST");
    }

    @Test
    void aPeersNameCannotSmuggleAnotherRole() {
        assertThatThrownBy(
                        () ->
                                new PeerIdentity(
                                        PeerIdentity.Role.WORKER,
                                        "../operator/operator",
                                        List.of()))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aRenewedCertificateIsShownByWhoHasTheFolderOpenAlready() throws Exception {
        CertificateAuthority anHourAgo =
                CertificateAuthority.of(
                        authority.certificatePem(),
                        authority.privateKeyPem(),
                        Clock.offset(Clock.systemUTC(), Duration.ofHours(-1)));
        PeerIdentity here =
                new PeerIdentity(
                        PeerIdentity.Role.OPERATOR, "operator", List.of("localhost", "127.0.0.1"));
        Path folder = Files.createDirectory(folders.resolve("operator"));
        TlsFolder.write(folder, anHourAgo.issue(here, Duration.ofMinutes(30)));
        SSLContext operator = PartTls.of(folder).context();
        SSLContext worker = context(authority, WORKER);
        assertThatThrownBy(() -> handshake(worker, operator)).isInstanceOf(Exception.class);

        assertThat(Renewal.renew(authority, List.of(folder, folders.resolve("nobody"))))
                .containsExactly(folder);
        assertThat(handshake(worker, operator)).isEqualTo("OPERATOR operator");
        assertThat(handshake(operator, worker))
                .as("its hosts are the same")
                .isEqualTo("WORKER " + WORKER.name());
        assertThat(Renewal.renew(authority, List.of(folder))).as("long to go").isEmpty();
    }

    @Test
    void aFolderThatHoldsNoCertificateIsNamed() throws Exception {
        assertThatThrownBy(() -> PartTls.of(folders.resolve("nobody")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(folders.resolve("nobody") + " must hold ca.crt, tls.crt");
    }

    @Test
    void theKeyFileIsForItsOwnerAlone(@TempDir Path dir) throws IOException {
        TlsFolder.write(dir.resolve("tls"), authority.issue(WORKER, Duration.ofHours(1)));
        assertThat(Files.getPosixFilePermissions(dir.resolve("tls/tls.key")))
                .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    }

    @Test
    void keysDoNotShowInText() {
        assertThat(authority.issue(WORKER, Duration.ofHours(1)).toString())
                .doesNotContain("PRIVATE KEY");
        assertThat(CertificateRequest.create().toString()).doesNotContain("PRIVATE KEY");
    }

    /** Connects and returns what the server reads of the client's role. */
    private static String handshake(SSLContext server, SSLContext client) throws Exception {
        try (SSLServerSocket listening =
                (SSLServerSocket)
                        server.getServerSocketFactory()
                                .createServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            listening.setNeedClientAuth(true);
            CompletableFuture<String> seen =
                    CompletableFuture.supplyAsync(
                            () -> {
                                try (SSLSocket socket = (SSLSocket) listening.accept()) {
                                    socket.setSoTimeout(10_000);
                                    socket.startHandshake();
                                    X509Certificate peer =
                                            (X509Certificate)
                                                    socket.getSession().getPeerCertificates()[0];
                                    socket.getOutputStream().write(1);
                                    return PeerIdentity.of(peer)
                                            .map(p -> p.role() + " " + p.name())
                                            .orElse("nobody");
                                } catch (IOException e) {
                                    throw new IllegalStateException(e);
                                }
                            });
            try (SSLSocket socket =
                    (SSLSocket)
                            client.getSocketFactory()
                                    .createSocket(
                                            InetAddress.getLoopbackAddress(),
                                            listening.getLocalPort())) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.setSoTimeout(10_000);
                socket.startHandshake();
                assertThat(socket.getInputStream().read()).isEqualTo(1);
            }
            return seen.get();
        }
    }

    private static SSLContext context(CertificateAuthority authority, PeerIdentity peer)
            throws Exception {
        return context(authority, peer, Duration.ofHours(1));
    }

    private static SSLContext context(
            CertificateAuthority authority, PeerIdentity peer, Duration validity) throws Exception {
        Path folder = Files.createTempDirectory(folders, "tls");
        TlsFolder.write(folder, authority.issue(peer, validity));
        return PartTls.of(folder).context();
    }
}
