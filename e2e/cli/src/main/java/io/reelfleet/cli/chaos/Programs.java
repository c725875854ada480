package io.reelfleet.cli.chaos;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Programs of the system. */
final class Programs {
    private static final List<String> WHERE =
            List.of("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin");
    private static final long LIMIT_SECONDS = 20;

    private Programs() {}

    /**
     * Ends with {@code code} and has said this.
     *
     * @param code exit code; -1 when it could not be run
     */
    record Said(int code, String text) {
        boolean well() {
            return code == 0;
        }
    }

    static Optional<Path> find(String name) {
        return WHERE.stream()
                .map(dir -> Path.of(dir, name))
                .filter(Files::isExecutable)
                .findFirst();
    }

    static Said run(String... command) throws InterruptedException {
        Optional<Path> program = find(command[0]);
        if (program.isEmpty()) {
            return new Said(-1, command[0] + " is not installed");
        }
        command[0] = program.get().toString();
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            String text =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                            .strip();
            if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                return new Said(-1, String.join(" ", command) + " did not end");
            }
            return new Said(process.exitValue(), text);
        } catch (IOException e) {
            return new Said(-1, e.getMessage());
        }
    }

    /** Runs it; a sentence when it fails. */
    static void must(String... command) throws InterruptedException {
        String line = String.join(" ", command);
        Said said = run(command);
        if (!said.well()) {
            throw new io.reelfleet.cli.Failure(line + " failed: " + said.text());
        }
    }
}
