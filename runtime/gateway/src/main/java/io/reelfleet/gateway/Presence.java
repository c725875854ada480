package io.reelfleet.gateway;

import io.quarkus.runtime.Quarkus;
import io.reelfleet.process.EndpointFile;
import io.reelfleet.process.Parent;
import io.reelfleet.process.Ports;
import jakarta.annotation.PreDestroy;
import jakarta.inject.Singleton;
import java.util.Optional;
import org.eclipse.microprofile.config.ConfigProvider;
import org.jboss.logging.Logger;

/** Tells others where this process listens, and ends it when its parent is gone. */
@Singleton
class Presence {
    private static final Logger LOG = Logger.getLogger(Presence.class);

    private final GatewaySettings settings;

    Presence(GatewaySettings settings) {
        this.settings = settings;
    }

    void announce() {
        settings.endpointFile()
                .ifPresent(
                        file ->
                                EndpointFile.write(
                                        file,
                                        text("quarkus.http.host").orElse("127.0.0.1"),
                                        Ports.ofApplication(Presence::text),
                                        Ports.ofManagement(Presence::text)));
        settings.parentPid()
                .ifPresent(
                        pid ->
                                Parent.follow(
                                        pid,
                                        () -> {
                                            LOG.infof("process %d is gone: ending too", pid);
                                            Quarkus.asyncExit(0);
                                        }));
    }

    private static Optional<String> text(String name) {
        return ConfigProvider.getConfig().getOptionalValue(name, String.class);
    }

    @PreDestroy
    void leave() {
        settings.endpointFile().ifPresent(EndpointFile::remove);
    }
}
