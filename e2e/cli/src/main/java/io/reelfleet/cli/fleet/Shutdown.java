package io.reelfleet.cli.fleet;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Ends a fleet's processes and sees that they are gone: the operator first, so that it starts no
 * worker anew, then the workers, which write what they have, then the rest.
 */
final class Shutdown {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration FIRST = Duration.ofMillis(500);
    private static final ObjectMapper JSON = new ObjectMapper();

    private Shutdown() {}

    /**
     * Ends all.
     *
     * @param pids what the launcher started, in the order in which to end it
     * @return processes that could not be ended, as a rule none
     */
    static List<ProcessHandle> end(FleetFolder folder, List<Long> pids)
            throws InterruptedException {
        Map<Long, ProcessHandle> all = new LinkedHashMap<>();
        List<ProcessHandle> parts = new ArrayList<>();
        for (long pid : pids) {
            ours(pid, folder).ifPresent(parts::add);
        }
        if (!parts.isEmpty()) {
            // Children too, before their parent is gone and they have none.
            parts.forEach(p -> p.descendants().forEach(d -> all.put(d.pid(), d)));
            ProcessHandle operator = parts.getFirst();
            end(List.of(operator), PATIENCE);
        }
        // Whatever the operator started until its end.
        workers(folder).forEach(w -> all.put(w.pid(), w));
        end(List.copyOf(all.values()), PATIENCE);
        end(parts, PATIENCE);
        parts.forEach(p -> all.put(p.pid(), p));
        workers(folder).forEach(w -> all.put(w.pid(), w));
        return all.values().stream().filter(Shutdown::lives).toList();
    }

    /** Workers that left an endpoint file in the operator's folder of processes and live. */
    static List<ProcessHandle> workers(FleetFolder folder) {
        List<ProcessHandle> found = new ArrayList<>();
        collect(folder.processes(), folder, found, 3);
        return found;
    }

    private static void collect(Path at, FleetFolder folder, List<ProcessHandle> found, int depth) {
        if (!Files.isDirectory(at) || depth == 0) {
            return;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(at)) {
            for (Path file : files) {
                if (Files.isDirectory(file)) {
                    collect(file, folder, found, depth - 1);
                } else if (file.toString().endsWith(".json")) {
                    long pid = JSON.readTree(file.toFile()).path("pid").asLong();
                    if (pid > 0) {
                        ours(pid, folder).ifPresent(found::add);
                    }
                }
            }
        } catch (IOException e) {
            // A file that is being replaced or removed; its process is found through its parent.
        }
    }

    /**
     * The process with this number if it is a Java program that can belong to this fleet: numbers
     * are used again.
     */
    private static Optional<ProcessHandle> ours(long pid, FleetFolder folder) {
        return ProcessHandle.of(pid)
                .filter(Shutdown::lives)
                .filter(
                        handle -> {
                            Optional<String> command = handle.info().commandLine();
                            return command.isEmpty()
                                    || command.get().contains("quarkus-run.jar")
                                    || command.get().contains(folder.path().toString());
                        });
    }

    private static void end(List<ProcessHandle> handles, Duration patience)
            throws InterruptedException {
        handles.forEach(ProcessHandle::destroy);
        // A worker with sessions goes on after the first SIGTERM, for somebody to move them; the
        // second says that nobody will.
        if (!awaitEnd(handles, FIRST)) {
            handles.stream().filter(Shutdown::lives).forEach(ProcessHandle::destroy);
        }
        if (!awaitEnd(handles, patience)) {
            handles.forEach(ProcessHandle::destroyForcibly);
            awaitEnd(handles, patience);
        }
    }

    private static boolean awaitEnd(List<ProcessHandle> handles, Duration patience)
            throws InterruptedException {
        long deadline = System.nanoTime() + patience.toNanos();
        while (handles.stream().anyMatch(Shutdown::lives)) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            Thread.sleep(50);
        }
        return true;
    }

    /**
     * A zombie that nobody has waited for yet counts as alive to Java, but has no command line any
     * more.
     */
    static boolean lives(ProcessHandle handle) {
        if (!handle.isAlive()) {
            return false;
        }
        try {
            String stat = Files.readString(Path.of("/proc/" + handle.pid() + "/stat"));
            return !stat.substring(stat.lastIndexOf(')')).startsWith(") Z");
        } catch (IOException e) {
            return handle.isAlive();
        }
    }
}
