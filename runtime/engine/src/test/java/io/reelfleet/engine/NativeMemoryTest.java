package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeMemoryTest {
    private static final Path STATUS = Path.of("/proc/self/status");

    /** Of the 10,000 that {@code ./reelfleet bench engine} opens and closes. */
    private static final int SESSIONS = 500;

    @TempDir Path folder;

    @Test
    void residentMemoryStaysFlatOverManySessions() throws Exception {
        Assumptions.assumeTrue(Files.exists(STATUS), "skipped: needs Linux's /proc");
        RandomModel.tiny().write(folder, 1);
        try (Engine engine = Engine.load(ModelFolder.of(folder), EngineOptions.defaults())) {
            for (int i = 0; i < SESSIONS / 5; i++) {
                openAndClose(engine, i);
            }
            long before = anonymousKilobytes();
            long objects = Pointer.totalCount();
            for (int i = 0; i < SESSIONS; i++) {
                openAndClose(engine, i);
            }
            assertThat(engine.pagesUsed()).isZero();
            assertThat(Pointer.totalCount()).isEqualTo(objects);
            // A leak of a hundredth of a session's state each would be more than this.
            long leak = SESSIONS * engine.model().sessionBytes() / 1024;
            assertThat(anonymousKilobytes() - before).isLessThan(leak / 20);
        }
    }

    private static void openAndClose(Engine engine, int seed) throws Exception {
        try (EngineSession session =
                engine.open(new SessionParameters("m" + seed, seed, "a red ball"))) {
            session.step();
            if (seed % 10 == 0) {
                while (!session.step()) {
                    // one denoising step at a time
                }
                session.suspend();
                if (seed % 20 == 0) {
                    session.resume();
                }
            }
        }
    }

    /** Resident anonymous memory: heap (bounded by the JVM) and native allocations. */
    private static long anonymousKilobytes() throws Exception {
        System.gc();
        return Files.readAllLines(STATUS).stream()
                .filter(line -> line.startsWith("RssAnon:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }
}
