package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.FleetSnapshot;
import io.reelfleet.scheduler.SessionSnapshot;
import io.reelfleet.scheduler.SessionSnapshot.Place;
import io.reelfleet.scheduler.WorkerSnapshot;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jboss.logging.Logger;

/**
 * Writes what became of a pool's decisions to {@code decisions-NAMESPACE-POOL.csv}: lines of {@code
 * t_s,kind,worker,session} that {@code ./reelfleet replay --trace} reads, so that what production
 * did can be set beside what another policy would have done. It compares each snapshot with the one
 * before and writes the differences; files are written off the loop.
 */
final class DecisionRecorder {
    /** Keeps no record. */
    static final DecisionRecorder NONE = new DecisionRecorder(null, Runnable::run);

    private static final Logger LOG = Logger.getLogger(DecisionRecorder.class);
    private static final String HEADER = "t_s,kind,worker,session\n";

    private final Path folder;
    private final Executor writer;
    private final Map<String, Boolean> ready = new HashMap<>();
    private final Map<String, Session> sessions = new HashMap<>();
    private boolean failed;
    private boolean begun;

    /** What was last written of a session: whether it is wanted, and who serves it. */
    private record Session(boolean wanted, String servedBy) {}

    /**
     * @param folder where the file goes; null: nowhere
     * @param writer runs one task after the other
     */
    DecisionRecorder(Path folder, Executor writer) {
        this.folder = folder;
        this.writer = writer;
    }

    void record(String pool, FleetSnapshot snapshot) {
        if (folder == null || failed) {
            return;
        }
        String lines = changes(snapshot);
        if (lines.isEmpty() && begun) {
            return;
        }
        boolean first = !begun;
        begun = true;
        Path file = folder.resolve("decisions-" + pool.replace('/', '-') + ".csv");
        writer.execute(() -> write(file, first ? HEADER + lines : lines, first));
    }

    private void write(Path file, String lines, boolean first) {
        try {
            if (first) {
                Files.createDirectories(file.getParent());
                if (Files.exists(file)) {
                    // A record belongs to one operator's time.
                    Path old = file.resolveSibling(file.getFileName() + ".before");
                    Files.move(file, old, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
                }
            }
            Files.writeString(
                    file,
                    lines,
                    StandardCharsets.UTF_8,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            failed = true;
            LOG.warnf("decisions are recorded no longer: %s cannot be written: %s", file, e);
        }
    }

    /** The lines for what is different since the last snapshot. */
    String changes(FleetSnapshot snapshot) {
        StringBuilder out = new StringBuilder();
        long now = snapshot.nowMillis();
        Set<String> there = new HashSet<>();
        for (WorkerSnapshot w : snapshot.workers()) {
            there.add(w.name());
            if (ready.putIfAbsent(w.name(), false) == null) {
                line(out, now, "gpu_requested", w.name(), "");
            }
            if (w.readyAtMillis() > 0 && !ready.put(w.name(), true)) {
                line(out, now, "gpu_ready", w.name(), "");
            }
        }
        Set<String> open = new HashSet<>();
        for (SessionSnapshot s : snapshot.sessions()) {
            open.add(s.uid());
            Session before = sessions.getOrDefault(s.uid(), new Session(false, ""));
            Session after = new Session(s.demands(), servedBy(s, there));
            if (after.equals(before)) {
                continue;
            }
            sessions.put(s.uid(), after);
            if (after.wanted() && !before.wanted()) {
                line(out, now, "wanted", "", s.uid());
            }
            if (!after.servedBy().equals(before.servedBy())) {
                if (after.servedBy().isEmpty()) {
                    line(out, now, "unplace", before.servedBy(), s.uid());
                } else {
                    String kind = before.servedBy().isEmpty() ? "place" : "move";
                    line(out, now, kind, after.servedBy(), s.uid());
                }
            }
            if (before.wanted() && !after.wanted()) {
                line(out, now, "idle", "", s.uid());
            }
        }
        sessions.entrySet()
                .removeIf(
                        e -> {
                            if (open.contains(e.getKey())) {
                                return false;
                            }
                            if (!e.getValue().servedBy().isEmpty()) {
                                line(out, now, "unplace", e.getValue().servedBy(), e.getKey());
                            }
                            line(out, now, "closed", "", e.getKey());
                            return true;
                        });
        ready.keySet()
                .removeIf(
                        name -> {
                            if (there.contains(name)) {
                                return false;
                            }
                            line(out, now, "gpu_released", name, "");
                            return true;
                        });
        return out.toString();
    }

    /** The worker that makes its chunks; empty for one that waits or is idle. */
    private static String servedBy(SessionSnapshot s, Set<String> workers) {
        String worker =
                !s.demands()
                        ? ""
                        : switch (s.place()) {
                            case Place.Device(String w) -> w;
                            case Place.Moving(String from, String to) -> from;
                            case Place.Host h -> "";
                            case Place.Store() -> "";
                        };
        return workers.contains(worker) ? worker : "";
    }

    private static void line(
            StringBuilder out, long now, String kind, String worker, String session) {
        out.append(String.format(Locale.ROOT, "%.3f", now / 1000.0))
                .append(',')
                .append(kind)
                .append(',')
                .append(worker)
                .append(',')
                .append(session)
                .append('\n');
    }
}
