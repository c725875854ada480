package io.reelfleet.images;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Runs the programs of this machine. */
final class Programs {
    private Programs() {}

    static boolean present(String name) {
        return Arrays.stream(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
                .anyMatch(dir -> Files.isExecutable(Path.of(dir, name)));
    }

    static void run(Path directory, List<String> command) throws IOException, InterruptedException {
        Process p =
                new ProcessBuilder(command)
                        .directory(directory.toFile())
                        .redirectErrorStream(true)
                        .start();
        p.getOutputStream().close();
        String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = p.waitFor();
        if (code != 0) {
            String last = said.lines().reduce((a, b) -> b).orElse("exit code " + code);
            throw new IOException(command.get(0) + ": " + last);
        }
    }
}
