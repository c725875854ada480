package io.reelfleet.server;

import io.quarkus.runtime.Quarkus;
import jakarta.annotation.PreDestroy;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts the worker once it listens, tells others where, and ends it when its parent is gone. */
@Singleton
final class Presence {
    private static final Logger LOG = LoggerFactory.getLogger(Presence.class);

    private final Worker worker;
    private final WorkerSettings settings = WorkerSettings.current();

    Presence(Worker worker) {
        this.worker = worker;
    }

    void announce() {
        worker.start(settings, settings.advertise() + ":" + settings.port());
        settings.parentPid().ifPresent(Presence::endWith);
        settings.endpointFile().ifPresent(this::write);
    }

    private void write(Path file) {
        String endpoint =
                "{\"pid\":%d,\"host\":\"%s\",\"port\":%d,\"management_port\":%d}%n"
                        .formatted(
                                ProcessHandle.current().pid(),
                                settings.advertise(),
                                settings.port(),
                                settings.port("quarkus.management.port"));
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Path fresh = file.resolveSibling(file.getFileName() + ".new");
            Files.writeString(fresh, endpoint);
            Files.move(
                    fresh,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.endpoint-file %s cannot be written: %s"
                            .formatted(file, e.getMessage()),
                    e);
        }
    }

    private static void endWith(long pid) {
        ProcessHandle.of(pid)
                .ifPresentOrElse(
                        parent ->
                                parent.onExit()
                                        .thenRun(
                                                () -> {
                                                    LOG.info("process {} is gone: ending too", pid);
                                                    Quarkus.asyncExit(0);
                                                }),
                        () -> Quarkus.asyncExit(0));
    }

    @PreDestroy
    void leave() {
        settings.endpointFile()
                .ifPresent(
                        file -> {
                            try {
                                Files.deleteIfExists(file);
                            } catch (IOException e) {
                                LOG.debug("{} stays: {}", file, e.getMessage());
                            }
                        });
    }
}
