package io.reelfleet.process;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Lets the one port of a Quarkus application speak TLS with the PEM files of a folder, which are
 * read again as they are renewed. To be called before Quarkus starts: it sets what Quarkus reads.
 */
public final class ServerTls {
    private static final String NAME = "reelfleet";

    private ServerTls() {}

    /**
     * Callers need not show a certificate.
     *
     * @param setting that names the folder, for people
     * @param folder {@code tls.crt}, {@code tls.key}
     * @throws StartupProblem when a file is missing
     */
    public static void serve(String setting, Path folder) {
        need(setting, folder, List.of("tls.crt", "tls.key"));
        set("key-store.pem.0.cert", folder.resolve("tls.crt").toString());
        set("key-store.pem.0.key", folder.resolve("tls.key").toString());
        set("reload-period", "10m");
        System.setProperty("quarkus.http.tls-configuration-name", NAME);
        System.setProperty("quarkus.http.insecure-requests", "disabled");
    }

    /**
     * Callers are asked for a certificate of the authorities in {@code ca.crt}; who may call what
     * is for the part to say.
     */
    public static void serveMutually(String setting, Path folder) {
        need(setting, folder, List.of("ca.crt"));
        serve(setting, folder);
        set("trust-store.pem.certs", folder.resolve("ca.crt").toString());
    }

    private static void set(String key, String value) {
        System.setProperty("quarkus.tls." + NAME + "." + key, value);
    }

    private static void need(String setting, Path folder, List<String> files) {
        for (String file : files) {
            if (!Files.isReadable(folder.resolve(file))) {
                throw new StartupProblem(
                        "%s %s has no %s: put %s there as PEM"
                                .formatted(
                                        setting,
                                        folder,
                                        file,
                                        file.equals("ca.crt")
                                                ? "the authority's certificate"
                                                : "the certificate and its key"));
            }
        }
    }
}
