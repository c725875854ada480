package io.reelfleet.operator;

import io.reelfleet.operator.workers.ProcessWorkers;
import io.reelfleet.trust.CertificateAuthority;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.TlsFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;

/**
 * Issues process workers' certificates with the authority that the launcher left on this machine.
 */
final class WorkerCertificates implements ProcessWorkers.Certificates {
    private final CertificateAuthority authority;

    private WorkerCertificates(CertificateAuthority authority) {
        this.authority = authority;
    }

    static WorkerCertificates open(Path folder, Clock clock) {
        try {
            return new WorkerCertificates(
                    CertificateAuthority.of(
                            Files.readString(folder.resolve("ca.crt")),
                            Files.readString(folder.resolve("ca.key")),
                            clock));
        } catch (IOException | IllegalArgumentException e) {
            throw new StartupProblem(
                    "reelfleet.trust.authority-dir "
                            + folder
                            + " holds no usable ca.crt and ca.key: "
                            + e.getMessage());
        }
    }

    @Override
    public void write(String worker, Path folder) throws IOException {
        PeerIdentity peer =
                new PeerIdentity(
                        PeerIdentity.Role.WORKER, worker, List.of("127.0.0.1", "localhost"));
        TlsFolder.write(folder, authority.issue(peer, CertificateAuthority.LEAF_VALIDITY));
    }
}
