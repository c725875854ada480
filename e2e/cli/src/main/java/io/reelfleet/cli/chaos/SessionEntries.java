package io.reelfleet.cli.chaos;

import com.google.protobuf.InvalidProtocolBufferException;
import io.reelfleet.api.log.v1.LogEntry;
import io.reelfleet.cli.Failure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The entries of one session's log, read on as they come. */
final class SessionEntries {
    private final Path folder;
    private final List<LogEntry> entries = new ArrayList<>();

    SessionEntries(Path store, String uid) {
        this.folder = store.resolve("sessions").resolve(uid).resolve("log");
    }

    /** What has come since. */
    SessionEntries readOn() {
        while (true) {
            Path file = folder.resolve("%010d".formatted(entries.size()));
            try {
                entries.add(LogEntry.parseFrom(Files.readAllBytes(file)));
            } catch (NoSuchFileException e) {
                return this;
            } catch (InvalidProtocolBufferException e) {
                throw new Failure(file + " is not an entry of a session log: " + e.getMessage(), e);
            } catch (IOException e) {
                throw new Failure(file + " cannot be read: " + e.getMessage(), e);
            }
        }
    }

    List<LogEntry> entries() {
        return List.copyOf(entries);
    }

    boolean ended() {
        return !entries.isEmpty() && entries.getLast().hasEnd();
    }

    long chunks() {
        return entries.stream().filter(LogEntry::hasChunk).count();
    }

    Optional<LogEntry> newestOwner() {
        return entries.reversed().stream().filter(LogEntry::hasOwner).findFirst();
    }
}
