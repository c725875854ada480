package io.reelfleet.gateway;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.quarkus.runtime.Quarkus;
import jakarta.annotation.PreDestroy;
import jakarta.inject.Singleton;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.eclipse.microprofile.config.ConfigProvider;
import org.jboss.logging.Logger;

/** Tells others where this process listens, and ends it when its parent is gone. */
@Singleton
class Presence {
    private static final Logger LOG = Logger.getLogger(Presence.class);

    private final GatewaySettings settings;
    private final ObjectMapper json;

    Presence(GatewaySettings settings, ObjectMapper json) {
        this.settings = settings;
        this.json = json;
    }

    void announce() {
        boolean https =
                port("quarkus.http.insecure-requests").filter("disabled"::equals).isPresent();
        int port = number(https ? "quarkus.http.ssl-port" : "quarkus.http.port");
        settings.endpointFile().ifPresent(file -> write(file, port));
        settings.parentPid().ifPresent(Presence::endWith);
    }

    private void write(Path file, int port) {
        Map<String, Object> endpoint = new LinkedHashMap<>();
        endpoint.put("pid", ProcessHandle.current().pid());
        endpoint.put("host", port("quarkus.http.host").orElse("127.0.0.1"));
        endpoint.put("port", port);
        endpoint.put("management_port", number("quarkus.management.port"));
        try {
            Path parent = file.toAbsolutePath().getParent();
            Files.createDirectories(parent);
            Path fresh = file.resolveSibling(file.getFileName() + ".new");
            Files.writeString(fresh, json.writeValueAsString(endpoint));
            Files.move(
                    fresh,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new SettingException(
                    "reelfleet.endpoint-file %s cannot be written: %s"
                            .formatted(file, e.getMessage()),
                    e);
        }
    }

    /** Quarkus puts the port it got there when it was asked for any. */
    private static Optional<String> port(String name) {
        String got = System.getProperty(name);
        return got != null
                ? Optional.of(got)
                : ConfigProvider.getConfig().getOptionalValue(name, String.class);
    }

    private static int number(String name) {
        return port(name).map(Integer::parseInt).orElse(0);
    }

    private static void endWith(long pid) {
        ProcessHandle.of(pid)
                .ifPresentOrElse(
                        parent ->
                                parent.onExit()
                                        .thenRun(
                                                () -> {
                                                    LOG.infof(
                                                            "process %d is gone: ending too", pid);
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
                                LOG.debugf("%s stays: %s", file, e.getMessage());
                            }
                        });
    }
}
