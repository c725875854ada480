package io.reelfleet.operator.trust;

import io.reelfleet.operator.StartupProblem;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The operator's port speaks TLS with what {@code reelfleet.tls.dir} holds. Callers of the
 * allocator show bearer tokens, so no certificate is asked of them. To be called before Quarkus
 * starts.
 */
public final class ServerTls {

    private ServerTls() {}

    /**
     * Sets what Quarkus reads.
     *
     * @throws StartupProblem when a file is missing
     */
    public static void serve(Path folder) {
        for (String file : new String[] {"ca.crt", "tls.crt", "tls.key"}) {
            if (!Files.isReadable(folder.resolve(file))) {
                throw new StartupProblem(
                        "reelfleet.tls.dir %s has no %s; put the authority's certificate, the operator's and its key there as PEM"
                                .formatted(folder, file));
            }
        }
        System.setProperty(
                "quarkus.tls.operator.key-store.pem.0.cert", folder.resolve("tls.crt").toString());
        System.setProperty(
                "quarkus.tls.operator.key-store.pem.0.key", folder.resolve("tls.key").toString());
        System.setProperty("quarkus.tls.operator.reload-period", "10m");
        System.setProperty("quarkus.http.tls-configuration-name", "operator");
        System.setProperty("quarkus.http.insecure-requests", "disabled");
    }
}
