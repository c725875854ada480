package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BuiltinShapesTest {
    @TempDir Path cache;

    @Test
    void shipsWithTheEngineAndGenerates() throws Exception {
        Assumptions.assumeTrue(
                Engine.class.getResource("/builtin/shapes/model_index.json") != null,
                "skipped: builtin:shapes has not been trained into the resources yet");
        ModelFolder folder = ModelFolder.resolve("builtin:shapes", cache);
        try (Stream<Path> walk = Files.walk(folder.path())) {
            long bytes =
                    walk.filter(Files::isRegularFile).mapToLong(f -> f.toFile().length()).sum();
            assertThat(bytes).isLessThan(10 << 20);
        }
        try (Engine engine = Engine.load(folder, EngineOptions.defaults());
                EngineSession session =
                        engine.open(
                                new SessionParameters(
                                        "shapes",
                                        1,
                                        "a red circle moving left and right on a black"
                                                + " background"))) {
            while (!session.step()) {
                // one denoising step at a time
            }
            VideoFrames video = session.takeChunk().frames();
            assertThat(video.count()).isEqualTo(engine.model().videoFrames(0));
            assertThat(distinct(video.rgb())).isGreaterThan(8);
        }
    }

    private static long distinct(byte[] values) {
        boolean[] seen = new boolean[256];
        for (byte value : values) {
            seen[value & 0xff] = true;
        }
        long count = 0;
        for (boolean each : seen) {
            count += each ? 1 : 0;
        }
        return count;
    }
}
