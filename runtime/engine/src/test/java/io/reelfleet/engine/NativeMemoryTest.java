package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeMemoryTest {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final int SESSIONS = 10_000;

    /** A hundredth of a session's state left by each would be about this much. */
    private static final long MOST_KILOBYTES = 32 * 1024;

    @TempDir Path folder;

    /**
     * In a JVM of its own, whose heap is all there from the start: what grows then is native
     * memory.
     */
    @Test
    void residentMemoryStaysFlatOverManySessions() throws Exception {
        Assumptions.assumeTrue(Files.exists(STATUS), "skipped: needs Linux's /proc");
        RandomModel.tiny().write(folder, 1);
        Path out = folder.resolve("out");
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xms128m",
                                "-Xmx128m",
                                "-XX:+AlwaysPreTouch",
                                "-XX:+UseSerialGC",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                System.getProperty("java.class.path"),
                                NativeMemoryTest.class.getName(),
                                folder.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(out.toFile())
                        .start();
        assertThat(process.waitFor()).as(() -> output(out)).isZero();
        String[] left = output(out).strip().lines().toList().getLast().split(" ");
        assertThat(Long.parseLong(left[0])).as("KV pages").isZero();
        assertThat(Long.parseLong(left[1])).as("native objects").isZero();
        assertThat(Long.parseLong(left[2])).as("kilobytes").isLessThan(MOST_KILOBYTES);
    }

    private static String output(Path out) {
        try {
            return Files.readString(out);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** Opens and closes sessions of the model in the folder; prints what they left. */
    public static void main(String[] args) throws Throwable {
        EngineOptions options = EngineOptions.defaults();
        try (Engine engine = Engine.load(ModelFolder.of(Path.of(args[0])), options)) {
            for (int i = 0; i < 500; i++) {
                openAndClose(engine, i);
            }
            long before = anonymousKilobytes();
            long objects = Pointer.totalCount();
            for (int i = 0; i < SESSIONS; i++) {
                openAndClose(engine, i);
            }
            System.out.println(
                    engine.pagesUsed()
                            + " "
                            + (Pointer.totalCount() - objects)
                            + " "
                            + (anonymousKilobytes() - before));
        }
    }

    private static void openAndClose(Engine engine, int seed) throws Exception {
        try (EngineSession session =
                engine.open(new SessionParameters("m" + seed, seed, "a red ball"))) {
            session.step();
            if (seed % 25 == 0) {
                while (!session.step()) {
                    // one denoising step at a time
                }
                session.suspend();
                if (seed % 50 == 0) {
                    session.resume();
                }
            }
        }
    }

    /** Resident anonymous memory; what malloc keeps free for later is given back first. */
    @SuppressWarnings("restricted")
    private static long anonymousKilobytes() throws Throwable {
        System.gc();
        Linker linker = Linker.nativeLinker();
        MethodHandle trim =
                linker.downcallHandle(
                        linker.defaultLookup().find("malloc_trim").orElseThrow(),
                        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG));
        int _ = (int) trim.invokeExact(0L);
        return Files.readAllLines(STATUS).stream()
                .filter(line -> line.startsWith("RssAnon:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }
}
