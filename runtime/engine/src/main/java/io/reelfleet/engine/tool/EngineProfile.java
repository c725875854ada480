package io.reelfleet.engine.tool;

import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.GeneratedChunk;
import io.reelfleet.engine.InvalidPromptException;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.SessionParameters;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * {@code MODEL [CHUNKS] [SESSIONS] [PROMPT]}: what a chunk costs on this machine, on one thread:
 * time by the clock and by the processor (which does not grow when others use the machine), and how
 * many sessions that carries in real time. Several sessions are advanced in one batch.
 */
public final class EngineProfile {
    private static final int WARM_UP = 4;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private EngineProfile() {}

    public static void main(String[] args) {
        if (args.length < 1 || args.length > 4) {
            System.err.println("usage: MODEL [CHUNKS] [SESSIONS] [PROMPT]");
            System.exit(2);
        }
        try {
            run(
                    args[0],
                    args.length > 1 ? Integer.parseInt(args[1]) : 20,
                    args.length > 2 ? Integer.parseInt(args[2]) : 1,
                    args.length > 3 ? args[3] : "a red ball",
                    System.out);
        } catch (ModelException | InvalidPromptException | NumberFormatException e) {
            System.err.println(e.getMessage());
            System.exit(1);
        }
    }

    static void run(String model, int chunks, int sessions, String prompt, PrintStream out)
            throws ModelException, InvalidPromptException {
        Path cache = Path.of(System.getProperty("java.io.tmpdir"), "reelfleet-models");
        try (Engine engine =
                Engine.load(ModelFolder.resolve(model, cache), EngineOptions.defaults())) {
            List<EngineSession> batch = new ArrayList<>();
            for (int i = 0; i < sessions; i++) {
                batch.add(engine.open(new SessionParameters("profile-" + i, i, prompt)));
            }
            double transformer = 0;
            double decode = 0;
            long wall = 0;
            long cpu = 0;
            for (int i = -WARM_UP; i < chunks; i++) {
                if (i == 0) {
                    transformer = 0;
                    decode = 0;
                    wall = System.nanoTime();
                    cpu = THREADS.getCurrentThreadCpuTime();
                }
                for (GeneratedChunk chunk : next(engine, batch)) {
                    transformer += chunk.transformerSeconds();
                    decode += chunk.decodeSeconds();
                }
            }
            double made = (double) chunks * sessions;
            double wallMs = (System.nanoTime() - wall) / 1e6 / made;
            double cpuMs = (THREADS.getCurrentThreadCpuTime() - cpu) / 1e6 / made;
            double interval = engine.model().chunkIntervalSeconds() * 1e3;
            out.printf(
                    Locale.ROOT,
                    "model           %s on %s%n",
                    engine.model().name(),
                    engine.fingerprint());
            out.printf(Locale.ROOT, "batch           %d%n", sessions);
            out.printf(Locale.ROOT, "chunk by clock  %.1f ms%n", wallMs);
            out.printf(Locale.ROOT, "  transformer   %.1f ms%n", transformer * 1e3 / made);
            out.printf(Locale.ROOT, "  decode        %.1f ms%n", decode * 1e3 / made);
            out.printf(Locale.ROOT, "chunk by cpu    %.1f ms%n", cpuMs);
            out.printf(Locale.ROOT, "a chunk is due  every %.0f ms%n", interval);
            out.printf(
                    Locale.ROOT,
                    "sessions        %.1f in real time by clock, %.1f by cpu%n",
                    interval / wallMs,
                    interval / cpuMs);
        }
    }

    private static List<GeneratedChunk> next(Engine engine, List<EngineSession> batch) {
        while (true) {
            // All sessions began together, so all their chunks are ready at once.
            if (engine.step(batch).getFirst()) {
                return batch.stream().map(EngineSession::takeChunk).toList();
            }
        }
    }
}
