package io.reelfleet.cli.chaos;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Runs this program again with a network and mounts of its own, so that what is cut, filled and
 * frozen is the fleet's alone.
 */
public final class Isolation {
    private static final List<List<String>> WAYS =
            List.of(List.of("--net", "--mount"), List.of("--map-root-user", "--net", "--mount"));

    private Isolation() {}

    /**
     * Runs it to its end.
     *
     * @param arguments of this program
     * @param meanwhile is called once the other one runs: Ctrl-C reaches both, and that one ends in
     *     order
     * @return its exit code; empty when this is that program, or when nothing can be isolated here
     */
    public static OptionalInt runAgain(List<String> arguments, Runnable meanwhile)
            throws IOException, InterruptedException {
        if (System.getenv(Machine.ISOLATED) != null) {
            long parent = Long.parseLong(System.getenv(Machine.ISOLATED));
            ProcessHandle.of(parent).ifPresent(p -> p.onExit().thenRun(() -> System.exit(1)));
            return OptionalInt.empty();
        }
        for (List<String> way : WAYS) {
            List<String> probe = new ArrayList<>(List.of("unshare"));
            probe.addAll(way);
            probe.add("true");
            if (!Programs.run(probe.toArray(String[]::new)).well()) {
                continue;
            }
            List<String> command =
                    new ArrayList<>(List.of(Programs.find("unshare").orElseThrow().toString()));
            command.addAll(way);
            command.add(
                    java.nio.file.Path.of(System.getProperty("java.home"), "bin", "java")
                            .toString());
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(
                    List.of(
                            "-cp",
                            System.getProperty("java.class.path"),
                            "io.reelfleet.cli.Reelfleet"));
            command.addAll(arguments);
            ProcessBuilder builder = new ProcessBuilder(command).inheritIO();
            builder.environment()
                    .put(Machine.ISOLATED, Long.toString(ProcessHandle.current().pid()));
            meanwhile.run();
            Process process = builder.start();
            try {
                return OptionalInt.of(process.waitFor());
            } finally {
                process.destroy();
            }
        }
        return OptionalInt.empty();
    }
}
