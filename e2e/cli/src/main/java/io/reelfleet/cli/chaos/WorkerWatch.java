package io.reelfleet.cli.chaos;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Follows what workers log about moves: which of the protocol's states each side has entered. */
final class WorkerWatch {
    private static final Pattern STATE =
            Pattern.compile(
                    "session (\\S+): move (\\S+) from (\\S+) to (\\S+): ([A-Z][a-z]+)\\s*$");
    private static final long POLL_MILLIS = 1;

    private final Path processes;
    private final Map<String, Long> read = new HashMap<>();

    /**
     * A move as its workers name it.
     *
     * @param id empty when no line about it was seen
     */
    record Seen(String id, String source, String target) {}

    WorkerWatch(Path processes) {
        this.processes = processes;
    }

    /** Only what is logged from now on counts. */
    void fromNow(Iterable<String> workers) {
        for (String worker : workers) {
            read.put(worker, log(worker).toFile().length());
        }
    }

    /**
     * Waits until a worker enters a state of a session's move.
     *
     * @return empty when it has not within {@code millis}
     */
    Optional<Seen> await(String worker, String uid, String state, long millis)
            throws InterruptedException, IOException {
        long until = System.nanoTime() + millis * 1_000_000;
        while (System.nanoTime() < until) {
            for (String line : fresh(worker).split("\n")) {
                Matcher m = STATE.matcher(line);
                if (m.find() && m.group(1).equals(uid) && m.group(5).equals(state)) {
                    return Optional.of(new Seen(m.group(2), m.group(3), m.group(4)));
                }
            }
            Thread.sleep(POLL_MILLIS);
        }
        return Optional.empty();
    }

    /** Whole lines that have come since the last call. */
    private String fresh(String worker) throws IOException {
        Path log = log(worker);
        if (!Files.exists(log)) {
            return "";
        }
        long from = read.getOrDefault(worker, 0L);
        long size = Files.size(log);
        if (size <= from) {
            return "";
        }
        byte[] bytes = new byte[(int) (size - from)];
        try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "r")) {
            file.seek(from);
            file.readFully(bytes);
        }
        int end = bytes.length;
        while (end > 0 && bytes[end - 1] != '\n') {
            end--;
        }
        read.put(worker, from + end);
        return new String(bytes, 0, end, StandardCharsets.UTF_8);
    }

    private Path log(String worker) {
        return processes.resolve(worker + ".log");
    }
}
