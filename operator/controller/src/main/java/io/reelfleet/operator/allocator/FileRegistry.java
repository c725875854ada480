package io.reelfleet.operator.allocator;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.reelfleet.api.allocator.v1.Desired;
import io.reelfleet.api.allocator.v1.Session;
import io.reelfleet.operator.fleet.SessionWish;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
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
                Session.Builder saved = Session.newBuilder();
                try {
                    JsonFormat.parser()
                            .ignoringUnknownFields()
                            .merge(Files.readString(file), saved);
                } catch (InvalidProtocolBufferException e) {
                    LOG.warnf("%s holds no session and is left alone: %s", file, e.getMessage());
                    continue;
                }
                wishes.add(
                        new SessionWish(
                                saved.getSpec(),
                                saved.getDesired() != Desired.DESIRED_SUSPENDED,
                                0,
                                SessionWish.Source.ALLOCATOR,
                                saved.getMessage(),
                                Instant.ofEpochSecond(
                                        saved.getOpenedAt().getSeconds(),
                                        saved.getOpenedAt().getNanos()),
                                saved.getEpoch()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return wishes;
    }

    @Override
    public void save(SessionWish wish) {
        // A Session message holds all of a wish; its free text carries the id of the request that
        // opened it.
        Session saved =
                Session.newBuilder()
                        .setSpec(wish.spec())
                        .setDesired(
                                wish.active() ? Desired.DESIRED_ACTIVE : Desired.DESIRED_SUSPENDED)
                        .setMessage(wish.requestId())
                        .setOpenedAt(Messages.timestamp(wish.openedAt()))
                        .build();
        Path file = folder.resolve(wish.spec().getUid() + SUFFIX);
        Path next = folder.resolve(wish.spec().getUid() + ".new");
        try {
            Files.writeString(next, JsonFormat.printer().print(saved));
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
