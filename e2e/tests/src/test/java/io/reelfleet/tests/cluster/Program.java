package io.reelfleet.tests.cluster;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** A program of this machine, with its environment. */
record Program(Path executable, Map<String, String> environment) {
    /** What a run said on both streams, and its exit code. */
    record Result(int code, String output) {}

    /** By name: in that folder, else on the PATH. */
    static Optional<Program> find(
            String name, Optional<Path> folder, Map<String, String> environment) {
        return folder.map(f -> f.resolve(name))
                .filter(Files::isExecutable)
                .or(
                        () ->
                                Arrays.stream(
                                                System.getenv()
                                                        .getOrDefault("PATH", "")
                                                        .split(File.pathSeparator))
                                        .map(dir -> Path.of(dir, name))
                                        .filter(Files::isExecutable)
                                        .findFirst())
                .map(p -> new Program(p, environment));
    }

    /** Runs it; what it says must end in success. */
    String run(String... arguments) {
        Result result = attempt(arguments);
        if (result.code() != 0) {
            throw new AssertionError(
                    executable.getFileName()
                            + " "
                            + String.join(" ", arguments)
                            + " ended with "
                            + result.code()
                            + ": "
                            + result.output());
        }
        return result.output();
    }

    /** Runs it, five minutes at most. */
    Result attempt(String... arguments) {
        try {
            Path out = Files.createTempFile("reelfleet-program", ".out");
            try {
                Process p = start(out, arguments);
                if (!p.waitFor(5, TimeUnit.MINUTES)) {
                    p.destroyForcibly();
                    throw new AssertionError(
                            executable.getFileName() + " took more than five minutes");
                }
                return new Result(p.exitValue(), Files.readString(out, StandardCharsets.UTF_8));
            } finally {
                Files.delete(out);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /** Starts it, its words going into a file. */
    Process start(Path out, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(executable.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile());
        builder.environment().putAll(environment);
        return builder.start();
    }
}
