package io.reelfleet.operator.leadership;

import io.reelfleet.process.StartupProblem;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.function.LongConsumer;

/**
 * One operator per folder: an exclusive lock on {@code operator.lock}, the term counted in {@code
 * operator.term}.
 */
public final class FileLeadership implements Leadership {
    private final Path folder;
    private final String name;
    private FileChannel channel;
    private FileLock lock;

    /**
     * @param name how this operator calls itself
     */
    public FileLeadership(Path folder, String name) {
        this.folder = folder;
        this.name = name;
    }

    /**
     * {@inheritDoc} Leads at once, or fails: two operators on one folder are a mistake, not a
     * standby.
     */
    @Override
    public void join(LongConsumer leads, Runnable lost) {
        try {
            Files.createDirectories(folder);
            channel =
                    FileChannel.open(
                            folder.resolve("operator.lock"),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE);
            lock = tryLock();
            if (lock == null) {
                channel.close();
                throw new StartupProblem(
                        "another operator runs on reelfleet.processes.dir "
                                + folder
                                + "; stop it (./reelfleet down), or name another folder");
            }
            Path file = folder.resolve("operator.term");
            long term =
                    (Files.exists(file) ? Long.parseLong(Files.readString(file).strip()) : 0) + 1;
            Path next = folder.resolve("operator.term.new");
            Files.writeString(
                    next,
                    term + "\n",
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE,
                    StandardOpenOption.SYNC);
            Files.move(
                    next,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            leads.accept(term);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.processes.dir " + folder + " cannot be used: " + e.getMessage());
        } catch (NumberFormatException e) {
            throw new StartupProblem(
                    folder.resolve("operator.term")
                            + " holds no number; write the highest term there has been, or remove the folder");
        }
    }

    private FileLock tryLock() throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException e) {
            return null;
        }
    }

    @Override
    public Optional<String> leader() {
        return Optional.ofNullable(lock).map(l -> name);
    }

    @Override
    public void close() {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
