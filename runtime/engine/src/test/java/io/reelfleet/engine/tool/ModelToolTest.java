package io.reelfleet.engine.tool;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.model.RandomModel;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelToolTest {
    @TempDir Path folder;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... args) {
        return new ModelTool(
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8))
                .run(List.of(args));
    }

    @Test
    void infoPrintsSizesAndState() throws Exception {
        RandomModel.tiny().write(folder, 1);
        assertThat(run("info", folder.toString())).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .contains("32 x 32 pixels, 16 frames/s")
                .contains("window               9 latent frames, 3 of them sink")
                .containsPattern("parameters +[1-9][0-9]+")
                .containsPattern("state of a session +[1-9][0-9]+ bytes in fp32")
                .contains("controls             prompt");
        out.reset();
        assertThat(run("info", folder.toString(), "--precision", "bf16")).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .containsPattern("state of a session +[1-9][0-9]+ bytes in bf16");
    }

    @Test
    void whatCannotBeDoneIsOneSentenceAndANonZeroExit() throws Exception {
        assertThat(run("verify", folder.resolve("nowhere").toString())).isEqualTo(1);
        RandomModel.tiny().write(folder, 1);
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        assertThat(run("frobnicate")).isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8).lines())
                .hasSize(3)
                .last()
                .asString()
                .startsWith(
                        "usage: verify DIR | info DIR [--precision fp32|bf16] | import CHECKPOINT");
    }
}
