package io.reelfleet.operator;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Tells others where this process listens (docs/developers/processes.md). */
final class EndpointFile {
    private EndpointFile() {}

    static void write(Path file, String host, int port, int managementPort) {
        String text =
                "{\"pid\":%d,\"host\":\"%s\",\"port\":%d,\"management_port\":%d}\n"
                        .formatted(ProcessHandle.current().pid(), host, port, managementPort);
        try {
            Path next = file.resolveSibling(file.getFileName() + ".new");
            Files.writeString(next, text);
            Files.move(
                    next,
                    file,
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new StartupProblem(
                    "reelfleet.endpoint-file " + file + " cannot be written: " + e.getMessage());
        }
    }
}
