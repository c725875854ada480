package io.reelfleet.images;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A base image without a registry: the C and C++ run-time libraries out of this machine's own
 * Debian packages, a user, and nothing else; no shell, no package manager. The same packages give
 * the same bytes.
 */
final class DebianBase {
    private static final List<String> PACKAGES =
            List.of("base-files", "libc6", "libgcc-s1", "libstdc++6", "zlib1g");
    private static final List<String> NEEDED = List.of("apt-get", "dpkg-deb", "tar");

    private DebianBase() {}

    /**
     * Writes the image archive.
     *
     * @param work scratch folder
     * @throws ImageException where there are no Debian packages to be had
     */
    static Path build(Path work) throws ImageException, IOException, InterruptedException {
        for (String program : NEEDED) {
            if (!Programs.present(program)) {
                throw new ImageException(
                        "no registry can be reached, and without one the base layer comes from Debian packages, which need "
                                + program
                                + "; run this on Debian or Ubuntu, or name an image that can be reached with --base");
            }
        }
        Path archive = work.resolve("base.tar");
        Path packages = clear(work.resolve("packages"));
        List<String> download = new ArrayList<>(List.of("apt-get", "download", "-q"));
        download.addAll(PACKAGES);
        try {
            Programs.run(packages, download);
        } catch (IOException e) {
            throw new ImageException(
                    "the base layer's packages cannot be downloaded ("
                            + e.getMessage()
                            + "); run apt-get update once",
                    e);
        }
        Path root = clear(work.resolve("root"));
        try (Stream<Path> all = Files.list(packages)) {
            for (Path p : all.sorted().toList()) {
                Programs.run(root, List.of("dpkg-deb", "-x", p.toString(), root.toString()));
            }
        }
        strip(root);
        users(root);
        Path layer = work.resolve("layer.tar");
        tar(root, layer);
        return archive(layer, archive, work);
    }

    /** Manuals and translations go; licences stay. */
    private static void strip(Path root) throws IOException {
        delete(root.resolve("usr/share/man"));
        delete(root.resolve("usr/share/locale"));
        delete(root.resolve("usr/share/lintian"));
        Path docs = root.resolve("usr/share/doc");
        try (Stream<Path> files = Files.walk(docs)) {
            for (Path f :
                    files.filter(p -> Files.isRegularFile(p) && !p.endsWith("copyright"))
                            .toList()) {
                Files.delete(f);
            }
        }
    }

    private static void users(Path root) throws IOException {
        Path etc = Files.createDirectories(root.resolve("etc"));
        Files.writeString(
                etc.resolve("passwd"),
                "root:x:0:0:root:/root:/sbin/nologin\nreelfleet:x:10001:10001:reelfleet:/tmp:/sbin/nologin\n");
        Files.writeString(etc.resolve("group"), "root:x:0:\nreelfleet:x:10001:\n");
        Files.writeString(
                etc.resolve("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n");
        Path tmp = Files.createDirectories(root.resolve("tmp"));
        Files.setPosixFilePermissions(tmp, PosixFilePermissions.fromString("rwxrwxrwx"));
        Files.createDirectories(root.resolve("store"));
    }

    private static void tar(Path root, Path tar) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "tar",
                                "--sort=name",
                                "--owner=0",
                                "--group=0",
                                "--numeric-owner",
                                "--mtime=@1",
                                "--format=gnu",
                                "-cf",
                                tar.toString()));
        // By name: an entry "./" is refused by those who read image archives.
        try (Stream<Path> all = Files.list(root)) {
            all.map(p -> p.getFileName().toString()).sorted().forEach(command::add);
        }
        Programs.run(root, command);
    }

    /** The layer with a configuration and a manifest around it, as docker save writes it. */
    private static Path archive(Path layer, Path archive, Path work)
            throws IOException, InterruptedException {
        String digest = sha256(layer);
        Path folder = clear(work.resolve("archive"));
        Files.copy(layer, folder.resolve("layer.tar"));
        ObjectMapper json = new ObjectMapper();
        byte[] config =
                json.writeValueAsBytes(
                        new java.util.TreeMap<>(
                                Map.of(
                                        "architecture",
                                        System.getProperty("os.arch").equals("aarch64")
                                                ? "arm64"
                                                : "amd64",
                                        "os",
                                        "linux",
                                        "created",
                                        "1970-01-01T00:00:00Z",
                                        "config",
                                        Map.of(),
                                        "history",
                                        List.of(
                                                Map.of(
                                                        "created",
                                                        "1970-01-01T00:00:00Z",
                                                        "comment",
                                                        "Debian packages")),
                                        "rootfs",
                                        new java.util.TreeMap<>(
                                                Map.of(
                                                        "type",
                                                        "layers",
                                                        "diff_ids",
                                                        List.of("sha256:" + digest))))));
        Files.write(folder.resolve("config.json"), config);
        json.writeValue(
                folder.resolve("manifest.json").toFile(),
                List.of(
                        new java.util.TreeMap<>(
                                Map.of(
                                        "Config",
                                        "config.json",
                                        "RepoTags",
                                        List.of("reelfleet/base:local"),
                                        "Layers",
                                        List.of("layer.tar")))));
        tar(folder, archive);
        return archive;
    }

    private static String sha256(Path file) throws IOException {
        try (InputStream in =
                new DigestInputStream(
                        Files.newInputStream(file), MessageDigest.getInstance("SHA-256"))) {
            in.transferTo(java.io.OutputStream.nullOutputStream());
            return HexFormat.of().formatHex(((DigestInputStream) in).getMessageDigest().digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    static Path clear(Path folder) throws IOException {
        delete(folder);
        return Files.createDirectories(folder);
    }

    static void delete(Path tree) throws IOException {
        if (!Files.exists(tree, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try (Stream<Path> all = Files.walk(tree)) {
            for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(p);
            }
        }
    }
}
