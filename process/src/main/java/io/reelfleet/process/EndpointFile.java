package io.reelfleet.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** {@code reelfleet.endpoint-file}: tells others where this process listens. */
public final class EndpointFile {

    private EndpointFile() {}

    /**
     * Writes it, by a rename.
     *
     * @throws StartupProblem when it cannot be written
     */
    public static void write(Path file, String host, int port, int managementPort) {
        String text =
                "{\"pid\":%d,\"host\":\"%s\",\"port\":%d,\"management_port\":%d}\n"
                        .formatted(ProcessHandle.current().pid(), host, port, managementPort);
        try {
            Files.createDirectories(file.toAbsolutePath().getParent());
            Path fresh = file.resolveSibling(file.getFileName() + ".new");
            Files.writeString(fresh, text);
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

    /** Takes it away; it stays where that cannot be done. */
    public static void remove(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // Its process is gone, which every reader has to look at anyway.
        }
    }
}
