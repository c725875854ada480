package io.reelfleet.images;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Enumeration;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * The native libraries of JavaCPP's jars, unpacked when the image is built: a worker's root is
 * read-only, and half a gigabyte need not be written at every start.
 */
final class Natives {
    private Natives() {}

    /** Whether a jar of JavaCPP holds natives for Linux. */
    static boolean isNativeJar(Path jar) {
        String name = jar.getFileName().toString();
        return name.startsWith("org.bytedeco.") && name.contains("-linux-");
    }

    /** Unpacks a jar's libraries side by side into a folder. */
    static void unpack(Path jar, Path folder) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            for (Enumeration<? extends ZipEntry> e = zip.entries(); e.hasMoreElements(); ) {
                ZipEntry entry = e.nextElement();
                String name = entry.getName().substring(entry.getName().lastIndexOf('/') + 1);
                if (name.matches(".+\\.so(\\.[0-9.]+)?")) {
                    try (InputStream in = zip.getInputStream(entry)) {
                        Files.copy(in, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
                    }
                }
            }
        }
        // JavaCPP loads OpenBLAS under this name where LAPACK is not needed.
        Path blas = folder.resolve("libopenblas.so.0");
        Path alias = folder.resolve("libopenblas_nolapack.so.0");
        if (Files.exists(blas) && !Files.exists(alias)) {
            Files.copy(blas, alias);
        }
    }

    /**
     * A jar of the same name without the libraries: Quarkus' class path lists every jar by name.
     */
    static Path withoutLibraries(Path jar, Path folder) throws IOException {
        Path thin = folder.resolve(jar.getFileName().toString());
        try (ZipFile zip = new ZipFile(jar.toFile());
                OutputStream file = Files.newOutputStream(thin);
                ZipOutputStream out = new ZipOutputStream(file)) {
            ZipEntry manifest = zip.getEntry("META-INF/MANIFEST.MF");
            if (manifest != null) {
                ZipEntry copy = new ZipEntry(manifest.getName());
                copy.setTime(0);
                out.putNextEntry(copy);
                try (InputStream in = zip.getInputStream(manifest)) {
                    in.transferTo(out);
                }
                out.closeEntry();
            }
        }
        return thin;
    }
}
