package io.reelfleet.server;

import io.quarkus.runtime.Quarkus;
import io.reelfleet.process.EndpointFile;
import io.reelfleet.process.Parent;
import io.reelfleet.process.Ports;
import jakarta.annotation.PreDestroy;
import jakarta.inject.Singleton;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts the worker once it listens, tells others where, and ends it when its parent is gone. */
@Singleton
final class Presence {
    private static final Logger LOG = LoggerFactory.getLogger(Presence.class);

    private final Worker worker;
    private final Departure departure;
    private final WorkerSettings settings = WorkerSettings.current();

    Presence(Worker worker, Departure departure) {
        this.worker = worker;
        this.departure = departure;
    }

    void announce() {
        int port = Ports.ofApplication(settings::text);
        worker.start(settings, settings.advertise() + ":" + port);
        departure.prepare(settings.grace());
        settings.parentPid()
                .ifPresent(
                        pid ->
                                Parent.follow(
                                        pid,
                                        () -> {
                                            LOG.info("process {} is gone: ending too", pid);
                                            Quarkus.asyncExit(0);
                                        }));
        settings.endpointFile()
                .ifPresent(
                        file ->
                                EndpointFile.write(
                                        file,
                                        settings.advertise(),
                                        port,
                                        Ports.ofManagement(settings::text)));
    }

    @PreDestroy
    void leave() {
        settings.endpointFile().ifPresent(EndpointFile::remove);
    }
}
