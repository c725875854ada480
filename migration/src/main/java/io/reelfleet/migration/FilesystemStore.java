package io.reelfleet.migration;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;

/**
 * A chunk store in a folder, which may be on a network file system that several nodes mount.
 *
 * <p>An object is written to a temporary file, forced to disk, and then hard-linked to its final
 * name: link(2) fails when the name exists, on NFS too, and a name never shows half an object. A
 * process that dies in between leaves a file in {@code .tmp} and nothing else.
 */
final class FilesystemStore implements ChunkStore {
    private static final String TEMPORARY = ".tmp";
    private static final Duration ABANDONED = Duration.ofHours(1);

    private final Path root;

    FilesystemStore(Path root) throws StoreException {
        this.root = root.toAbsolutePath().normalize();
        try {
            if (Files.isDirectory(this.root) && Files.getFileStore(this.root).isReadOnly()) {
                // A reader's mount, such as the gateway's in a cluster: there is nothing to make.
                return;
            }
            Files.createDirectories(this.root.resolve(TEMPORARY));
            sweep();
        } catch (IOException e) {
            throw failed("cannot be created", e);
        }
    }

    /**
     * Removes what processes left that died while they wrote; nobody writes one object for an hour.
     */
    private void sweep() throws IOException {
        FileTime limit = FileTime.from(Instant.now().minus(ABANDONED));
        try (DirectoryStream<Path> files = Files.newDirectoryStream(root.resolve(TEMPORARY))) {
            for (Path file : files) {
                try {
                    if (Files.getLastModifiedTime(file).compareTo(limit) < 0) {
                        Files.deleteIfExists(file);
                    }
                } catch (NoSuchFileException e) {
                    // Its writer finished meanwhile, or another process sweeps too.
                }
            }
        }
    }

    @Override
    public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
        Path target = path(key);
        if (Files.exists(target)) {
            return false;
        }
        Path temporary = root.resolve(TEMPORARY).resolve(UUID.randomUUID().toString());
        try {
            try {
                createFolder(target.getParent());
                write(temporary, bytes);
                Files.createLink(target, temporary);
                force(target.getParent());
                return true;
            } catch (FileAlreadyExistsException e) {
                return false;
            } finally {
                Files.deleteIfExists(temporary);
            }
        } catch (UnsupportedOperationException e) {
            throw new StoreException(
                    "the file system under %s has no hard links: use a folder on one that has, or s3://"
                            .formatted(location()),
                    e);
        } catch (IOException e) {
            throw failed("cannot be written (" + key + ")", e);
        }
    }

    @Override
    public Optional<byte[]> read(String key) throws StoreException {
        try {
            return Optional.of(Files.readAllBytes(path(key)));
        } catch (NoSuchFileException | NotDirectoryException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw failed("cannot be read (" + key + ")", e);
        }
    }

    @Override
    public List<String> list(String prefix) throws StoreException {
        List<String> keys = new ArrayList<>();
        visit(prefix, (file, key) -> keys.add(key), folder -> {});
        Collections.sort(keys);
        return keys;
    }

    @Override
    public void delete(String prefix) throws StoreException {
        visit(
                prefix,
                (file, key) -> Files.deleteIfExists(file),
                folder -> {
                    try {
                        Files.deleteIfExists(folder);
                    } catch (DirectoryNotEmptyException e) {
                        // Somebody stored something meanwhile, or its name is outside the prefix.
                    }
                });
    }

    @Override
    public void deleteAll(List<String> keys) throws StoreException {
        for (String key : keys) {
            try {
                Files.deleteIfExists(path(key));
            } catch (IOException e) {
                throw failed("cannot be deleted from (" + key + ")", e);
            }
        }
    }

    @Override
    public List<String> folders(String prefix) throws StoreException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> children =
                Files.newDirectoryStream(
                        root.resolve(StoreKeys.checkPrefix(prefix)), Files::isDirectory)) {
            children.forEach(child -> names.add(child.getFileName().toString()));
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException e) {
            throw failed("cannot be listed (" + prefix + ")", e);
        }
        Collections.sort(names);
        return names;
    }

    @Override
    public String location() {
        return "file:" + root;
    }

    private interface FileAction {
        void accept(Path file, String key) throws IOException;
    }

    private interface FolderAction {
        void accept(Path folder) throws IOException;
    }

    private void visit(String prefix, FileAction files, FolderAction folders)
            throws StoreException {
        String checked = StoreKeys.checkPrefix(prefix);
        Path start = root.resolve(checked.substring(0, checked.lastIndexOf('/') + 1)).normalize();
        try {
            Files.walkFileTree(
                    start,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult preVisitDirectory(
                                Path folder, BasicFileAttributes attributes) {
                            return folder.equals(root.resolve(TEMPORARY))
                                    ? FileVisitResult.SKIP_SUBTREE
                                    : FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                                throws IOException {
                            String key = root.relativize(file).toString();
                            if (key.startsWith(checked)) {
                                files.accept(file, key);
                            }
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path file, IOException e)
                                throws IOException {
                            if (e instanceof NoSuchFileException) {
                                return FileVisitResult.CONTINUE;
                            }
                            throw e;
                        }

                        @Override
                        public FileVisitResult postVisitDirectory(Path folder, IOException e)
                                throws IOException {
                            if (e != null && !(e instanceof NoSuchFileException)) {
                                throw e;
                            }
                            if (!folder.equals(root)
                                    && (root.relativize(folder) + "/").startsWith(checked)) {
                                folders.accept(folder);
                            }
                            return FileVisitResult.CONTINUE;
                        }
                    });
        } catch (NoSuchFileException e) {
            // Nothing there: nothing to do.
        } catch (IOException e) {
            throw failed("cannot be listed (" + prefix + ")", e);
        }
    }

    private Path path(String key) {
        return root.resolve(StoreKeys.check(key));
    }

    private static void write(Path file, byte[] bytes) throws IOException {
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
            channel.force(true);
        }
    }

    /** Creates missing folders from the top and forces each one's entry to disk. */
    private void createFolder(Path folder) throws IOException {
        if (Files.isDirectory(folder)) {
            return;
        }
        createFolder(folder.getParent());
        try {
            Files.createDirectory(folder);
        } catch (FileAlreadyExistsException e) {
            if (!Files.isDirectory(folder)) {
                throw e;
            }
        }
        force(folder.getParent());
    }

    /**
     * Makes a folder's new entry survive a power cut. Windows cannot open folders; its rename is
     * journaled.
     */
    private static void force(Path folder) throws IOException {
        if (!System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("windows")) {
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    private StoreException failed(String what, IOException e) {
        return failure(location(), what, e);
    }

    /** The sentence for what the file system answered. */
    static StoreException failure(String location, String what, IOException e) {
        String reason = String.valueOf(e.getMessage());
        if (reason.contains("No space left on device") || reason.contains("Disk quota exceeded")) {
            return new StoreFullException(
                    "the disk under the chunk store %s is full: free space there or set reelfleet.store to another folder"
                            .formatted(location),
                    e);
        }
        if (e instanceof AccessDeniedException) {
            return new StoreException(
                    "the chunk store %s %s: give this process's user the right to write there"
                            .formatted(location, what),
                    e);
        }
        return new StoreException("the chunk store %s %s: %s".formatted(location, what, reason), e);
    }
}
