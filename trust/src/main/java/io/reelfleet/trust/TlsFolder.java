package io.reelfleet.trust;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * A folder with {@code ca.crt}, {@code tls.crt} and {@code tls.key}, the shape that {@code
 * reelfleet.tls.dir} names.
 */
public final class TlsFolder {

    private TlsFolder() {}

    /**
     * The three PEM texts.
     *
     * @param authorityPem certificates of the authorities to trust, one after the other
     * @param certificatePem this part's certificate
     * @param privateKeyPem its key
     */
    public record Content(String authorityPem, String certificatePem, String privateKeyPem) {
        @Override
        public String toString() {
            return "Content[private key withheld]";
        }
    }

    /** Writes the files, readable by the owner alone; each is replaced by a rename. */
    public static void write(Path folder, Content content) throws IOException {
        Files.createDirectories(folder);
        replace(folder.resolve("ca.crt"), content.authorityPem());
        replace(folder.resolve("tls.key"), content.privateKeyPem());
        replace(folder.resolve("tls.crt"), content.certificatePem());
    }

    private static void replace(Path file, String text) throws IOException {
        Path fresh = file.resolveSibling(file.getFileName() + ".new");
        Files.deleteIfExists(fresh);
        if (Files.getFileStore(file.getParent()).supportsFileAttributeView("posix")) {
            Files.createFile(
                    fresh,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
        }
        Files.writeString(fresh, text);
        Files.move(
                fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
}
