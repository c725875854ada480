package io.reelfleet.engine;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** A model on this machine's disk, in the published (diffusers) layout. */
public final class ModelFolder {
    private static final String BUILTIN = "builtin:";

    private final String uri;
    private final Path path;
    private String revision;

    private ModelFolder(String uri, Path path) {
        this.uri = uri;
        this.path = path;
    }

    /** A folder that is there already. */
    public static ModelFolder of(Path path) throws ModelException {
        Path absolute = path.toAbsolutePath().normalize();
        if (!Files.isDirectory(absolute)) {
            throw new ModelException(
                    absolute
                            + " is not a folder: write the path of a model folder"
                            + (absolute.toString().matches(".*\\.(pt|pth|ckpt|bin)")
                                    ? "; ./reelfleet model import makes one from a PyTorch checkpoint"
                                    : ""));
        }
        return new ModelFolder("file:" + absolute, absolute);
    }

    /**
     * Finds a model.
     *
     * @param uri {@code builtin:NAME} for a model that ships with the engine, {@code file:/folder},
     *     or a plain path
     * @param cache where models that ship with the engine are unpacked
     */
    public static ModelFolder resolve(String uri, Path cache) throws ModelException {
        if (uri.startsWith(BUILTIN)) {
            return new ModelFolder(uri, unpack(uri.substring(BUILTIN.length()), cache));
        }
        try {
            return of(uri.startsWith("file:") ? Path.of(URI.create(uri)) : Path.of(uri));
        } catch (IllegalArgumentException e) {
            if (uri.startsWith("file:") && !(e instanceof InvalidPathException)) {
                return of(Path.of(uri.substring("file:".length())));
            }
            throw new ModelException(
                    "model uri " + uri + " is not builtin:NAME, file:/FOLDER or a folder's path",
                    e);
        }
    }

    /** What the model was asked for by. */
    public String uri() {
        return uri;
    }

    /**
     * The folder that holds {@code transformer}, {@code vae}, {@code text_encoder}, {@code
     * tokenizer}.
     */
    public Path path() {
        return path;
    }

    /** SHA-256 over names and contents of the folder's files, in hex. */
    public synchronized String revision() throws ModelException {
        if (revision == null) {
            try {
                revision = digest(path);
            } catch (IOException e) {
                throw new ModelException(path + " cannot be read: " + e.getMessage(), e);
            }
        }
        return revision;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> walk = Files.walk(folder)) {
            return walk.filter(Files::isRegularFile)
                    .sorted((a, b) -> name(folder, a).compareTo(name(folder, b)))
                    .toList();
        }
    }

    private static String name(Path folder, Path file) {
        return folder.relativize(file).toString().replace('\\', '/');
    }

    private static String digest(Path folder) throws IOException {
        MessageDigest digest = sha256();
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        for (Path file : files(folder)) {
            String name = name(folder, file);
            digest.update(
                    (name + "\n" + Files.size(file) + "\n")
                            .getBytes(java.nio.charset.StandardCharsets.UTF_8));
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                while (channel.read(buffer.clear()) >= 0) {
                    digest.update(buffer.flip());
                }
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * Copies a model out of the engine's jar (or class folder); what is there already with the same
     * content is kept.
     */
    private static Path unpack(String name, Path cache) throws ModelException {
        if (!name.matches("[a-z0-9-]+")) {
            throw new ModelException("builtin:" + name + " is not the name of a model");
        }
        URL index = ModelFolder.class.getResource("/builtin/" + name + "/model_index.json");
        if (index == null) {
            throw new ModelException("this engine has no model builtin:" + name);
        }
        return unpack(index, name, cache);
    }

    /** Copies the folder around {@code index}, on disk or in a jar, into {@code cache}. */
    static Path unpack(URL index, String name, Path cache) throws ModelException {
        try {
            if (index.getProtocol().equals("file")) {
                return copy(Path.of(index.toURI()).getParent(), name, cache);
            }
            if (index.openConnection() instanceof JarURLConnection connection) {
                Path jar = Path.of(connection.getJarFileURL().toURI());
                try (FileSystem files = FileSystems.newFileSystem(jar)) {
                    return copy(files.getPath("builtin", name), name, cache);
                }
            }
            throw new ModelException("builtin:" + name + " cannot be read from " + index);
        } catch (IOException | URISyntaxException e) {
            throw new ModelException(
                    "builtin:" + name + " cannot be unpacked to " + cache + ": " + e.getMessage(),
                    e);
        }
    }

    private static Path copy(Path source, String name, Path cache)
            throws IOException, ModelException {
        Files.createDirectories(cache);
        Path part = Files.createTempDirectory(cache, name + "-part-");
        try {
            MessageDigest all = sha256();
            List<Path> files = files(source);
            for (Path file : files) {
                Path target = part.resolve(name(source, file));
                Files.createDirectories(target.getParent());
                all.update(name(source, file).getBytes(java.nio.charset.StandardCharsets.UTF_8));
                try (InputStream in = Files.newInputStream(file);
                        DigestOutputStream out =
                                new DigestOutputStream(Files.newOutputStream(target), all)) {
                    in.transferTo(out);
                }
                if (Files.size(target) != Files.size(file)) {
                    throw new ModelException(target + " was not written whole: is the disk full?");
                }
            }
            String version = HexFormat.of().formatHex(all.digest()).substring(0, 16);
            return settle(part, files, source, cache.resolve(name + "-" + version));
        } finally {
            delete(part);
        }
    }

    private static Path settle(Path part, List<Path> files, Path source, Path target)
            throws IOException {
        if (Files.isDirectory(target)) {
            boolean whole = files(target).size() == files.size();
            for (Path file : files) {
                Path there = target.resolve(name(source, file));
                whole &= Files.exists(there) && Files.size(there) == Files.size(file);
            }
            if (whole) {
                return target;
            }
            delete(target);
        }
        try {
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            // Another process was faster: its copy has the same content.
            if (!Files.isDirectory(target)) {
                throw e;
            }
        }
        return target;
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        List<Path> all = new ArrayList<>();
        try (Stream<Path> walk = Files.walk(folder)) {
            walk.forEach(all::add);
        }
        for (Path path : all.reversed()) {
            Files.deleteIfExists(path);
        }
    }

    @Override
    public String toString() {
        return uri;
    }
}
