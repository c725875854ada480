package io.reelfleet.operator;

import io.reelfleet.operator.workers.ProcessWorkers;
import io.reelfleet.process.StartupProblem;
import io.reelfleet.trust.CertificateAuthority;
import io.reelfleet.trust.PeerIdentity;
import io.reelfleet.trust.Renewal;
import io.reelfleet.trust.TlsFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/**
 * Issues process workers' certificates with the authority that the launcher left on this machine,
 * and renews them, the operator's own and those of the parts beside it.
 */
final class WorkerCertificates implements ProcessWorkers.Certificates {
    private static final Logger LOG = Logger.getLogger(WorkerCertificates.class);
    private final CertificateAuthority authority;
    private final Path folder;

    private WorkerCertificates(CertificateAuthority authority, Path folder) {
        this.authority = authority;
        this.folder = folder;
    }

    static WorkerCertificates open(Path folder, Clock clock) {
        try {
            return new WorkerCertificates(
                    CertificateAuthority.of(
                            Files.readString(folder.resolve("ca.crt")),
                            Files.readString(folder.resolve("ca.key")),
                            clock),
                    folder);
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

    /** Renews what is about to end. */
    void renew(Settings settings) {
        try {
            List<Path> folders = new ArrayList<>(folders(folder.toAbsolutePath().getParent()));
            if (settings.processesDir().isPresent()) {
                folders.addAll(folders(settings.processesDir().get()));
            }
            for (Path renewed : Renewal.renew(authority, folders)) {
                LOG.infof("renewed the certificate in %s", renewed);
            }
        } catch (IOException e) {
            LOG.warnf("certificates cannot be renewed: %s", e.getMessage());
        }
    }

    private static List<Path> folders(Path parent) throws IOException {
        try (Stream<Path> all = Files.list(parent)) {
            return all.filter(Files::isDirectory).toList();
        }
    }
}
