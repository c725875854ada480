package io.reelfleet.cli.fleet;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;

/** Folders that a command made and takes away again. */
public final class Folders {
    private Folders() {}

    /**
     * Deletes a folder with all that is in it, links and not what they lead to; nothing is done
     * when it is not there. Files that somebody else deletes meanwhile do no harm.
     */
    public static void delete(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        Files.walkFileTree(
                folder,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.deleteIfExists(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(Path at, IOException problem)
                            throws IOException {
                        Files.deleteIfExists(at);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}
