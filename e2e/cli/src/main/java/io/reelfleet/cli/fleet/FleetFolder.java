package io.reelfleet.cli.fleet;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.reelfleet.cli.Failure;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;

/**
 * What lies where in a fleet's folder. It is readable by its owner alone.
 *
 * @param path the folder
 */
public record FleetFolder(Path path) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** {@code $REELFLEET_HOME}, default {@code ~/.reelfleet}. */
    public static Path home() {
        // The property is for tests, which cannot change their environment.
        String home = System.getProperty("reelfleet.home", System.getenv("REELFLEET_HOME"));
        return home == null || home.isBlank()
                ? Path.of(System.getProperty("user.home"), ".reelfleet")
                : Path.of(home).toAbsolutePath();
    }

    /** The folder of the fleet that {@code up} starts. */
    public static FleetFolder ofUp() {
        return new FleetFolder(home().resolve("fleet"));
    }

    /** Makes the folder, for its owner alone. */
    public FleetFolder create() {
        try {
            Files.createDirectories(path);
            privately(path, "rwx------");
            for (Path folder : List.of(logs(), processes(), store(), tls())) {
                Files.createDirectories(folder);
            }
            return this;
        } catch (IOException e) {
            throw new Failure(
                    "the fleet's folder " + path + " cannot be written: " + e.getMessage(), e);
        }
    }

    /** Logs of operator and gateway. */
    public Path logs() {
        return path.resolve("logs");
    }

    /** Endpoint files and logs of workers; the operator's own. */
    public Path processes() {
        return path.resolve("workers");
    }

    /** The chunk store. */
    public Path store() {
        return path.resolve("store");
    }

    /** Authority and certificates, a folder per part. */
    public Path tls() {
        return path.resolve("tls");
    }

    /** GPUPool documents. */
    public Path pools() {
        return path.resolve("pools.yaml");
    }

    /** The API callers' bearer token. */
    public Path apiToken() {
        return path.resolve("api-token");
    }

    /** Where a part says on which port it listens. */
    public Path endpoint(String part) {
        return path.resolve(part + ".endpoint.json");
    }

    /** Who and where, for the commands that talk to it. */
    public Path record() {
        return path.resolve("fleet.json");
    }

    /**
     * What other commands need to know about a running fleet.
     *
     * @param operatorPid process of the operator
     * @param gatewayPid process of the gateway
     * @param pids all processes that the launcher started, in the order in which they are to be
     *     stopped
     * @param operatorUrl the allocator's base URL
     * @param gatewayUrl base of session URLs, and the page
     * @param startedAt ISO-8601
     */
    public record Running(
            @JsonProperty("operator_pid") long operatorPid,
            @JsonProperty("gateway_pid") long gatewayPid,
            @JsonProperty("pids") List<Long> pids,
            @JsonProperty("operator_url") String operatorUrl,
            @JsonProperty("gateway_url") String gatewayUrl,
            @JsonProperty("started_at") String startedAt) {}

    /** The fleet that was started here, if there is one; its processes may be gone. */
    public Optional<Running> running() {
        try {
            return Optional.of(JSON.readValue(record().toFile(), Running.class));
        } catch (IOException e) {
            if (!Files.exists(record())) {
                return Optional.empty();
            }
            throw new Failure(
                    record()
                            + " cannot be read: "
                            + e.getMessage()
                            + "; delete it when no fleet runs",
                    e);
        }
    }

    /** Remembers a fleet that runs. */
    public void remember(Running running) {
        try {
            writePrivately(
                    record(),
                    JSON.writerWithDefaultPrettyPrinter().writeValueAsString(running) + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Forgets it. */
    public void forget() {
        try {
            Files.deleteIfExists(record());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The authority that the operator's certificate comes from, PEM. */
    public String readAuthority() {
        Path file = tls().resolve("authority/ca.crt");
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new Failure(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** The API callers' bearer token. */
    public String readApiToken() {
        try {
            return Files.readString(apiToken()).strip();
        } catch (NoSuchFileException e) {
            throw new Failure(
                    apiToken() + " is missing; run ./reelfleet down, then ./reelfleet up", e);
        } catch (IOException e) {
            throw new Failure(apiToken() + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Writes a file that only its owner may read, by a rename. */
    static void writePrivately(Path file, String text) throws IOException {
        Path fresh = file.resolveSibling("." + file.getFileName() + ".new");
        Files.deleteIfExists(fresh);
        Files.createFile(fresh);
        privately(fresh, "rw-------");
        Files.writeString(fresh, text);
        Files.move(
                fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static void privately(Path path, String permissions) throws IOException {
        if (Files.getFileStore(path).supportsFileAttributeView("posix")) {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(permissions));
        }
    }
}
