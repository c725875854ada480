package io.reelfleet.operator.allocator;

import io.reelfleet.operator.fleet.SessionWish;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/** A {@link SessionRegistry} of one file per session, for an operator without an API server. */
public final class FileRegistry implements SessionRegistry {
    private static final Logger LOG = Logger.getLogger(FileRegistry.class);
    private static final String SUFFIX = ".json";

    private final Path folder;

    /**
     * @param folder made when missing
     */
    public FileRegistry(Path folder) throws IOException {
        this.folder = Files.createDirectories(folder);
    }

    @Override
    public List<SessionWish> load() {
        List<SessionWish> wishes = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(f -> f.toString().endsWith(SUFFIX)).sorted().toList()) {
                Optional<SessionWish> wish = SavedSession.read(Files.readString(file));
                if (wish.isEmpty()) {
                    LOG.warnf("%s holds no session and is left alone", file);
                }
                wish.ifPresent(wishes::add);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return wishes;
    }

    @Override
    public void save(SessionWish wish) {
        Path file = folder.resolve(wish.spec().getUid() + SUFFIX);
        Path next = folder.resolve(wish.spec().getUid() + ".new");
        try {
            Files.writeString(next, SavedSession.write(wish));
            Files.move(
                    next,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void remove(String uid) {
        try {
            Files.deleteIfExists(folder.resolve(uid + SUFFIX));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
