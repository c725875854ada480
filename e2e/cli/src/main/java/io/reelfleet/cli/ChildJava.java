package io.reelfleet.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A main class with libraries that this program does not carry, in a JVM of its own, on the same
 * terminal.
 */
final class ChildJava {
    private ChildJava() {}

    /**
     * Runs it to its end.
     *
     * @return its exit code
     */
    static int run(String classPath, String mainClass, List<String> arguments)
            throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                // The worker's logging does not start outside a worker, and would
                                // say so on the terminal.
                                "-Dslf4j.provider=org.slf4j.helpers.NOP_FallbackServiceProvider",
                                "-Dslf4j.internal.verbosity=ERROR",
                                "-cp",
                                classPath,
                                mainClass));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
        builder.environment().putAll(Map.of("OMP_WAIT_POLICY", "passive"));
        Process process = builder.start();
        try {
            return process.waitFor();
        } finally {
            process.destroy();
        }
    }
}
