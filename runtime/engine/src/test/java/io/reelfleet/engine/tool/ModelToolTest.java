package io.reelfleet.engine.tool;

import static org.assertj.core.api.Assertions.assertThat;

import io.reelfleet.engine.BadFolder;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.SafetensorsWriter;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

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

    static Stream<BadFolder> badFolders() {
        return BadFolder.all().stream();
    }

    @ParameterizedTest
    @MethodSource("badFolders")
    void aBadFolderIsOneSentenceAndANonZeroExit(BadFolder bad) throws Exception {
        bad.write(folder);
        assertThat(run("info", folder.toString())).isEqualTo(1);
        assertOneSentence(bad);
        if (bad.sentence().getFirst().startsWith("reelfleet.json")) {
            // What the answers were made with wins over it.
            return;
        }
        BadFolder.writeAnswers(folder);
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        assertOneSentence(bad);
    }

    private void assertOneSentence(BadFolder bad) {
        assertThat(err.toString(StandardCharsets.UTF_8).lines()).hasSize(1);
        assertThat(err.toString(StandardCharsets.UTF_8)).contains(bad.sentence());
        assertThat(out.toString(StandardCharsets.UTF_8)).isEmpty();
        err.reset();
    }

    @Test
    void verifySaysWhichAnswersDoNotFit() throws Exception {
        RandomModel.tiny().write(folder, 1);
        BadFolder.writeAnswers(folder);
        assertThat(run("verify", folder.toString())).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8)).contains("2 of 2 tensors within");
        out.reset();
        answers(new SafetensorsWriter.Named("one.noise", new long[] {1, 2}, new float[2]));
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        answers(new SafetensorsWriter.Named("vae.decode.input", new long[] {2}, new float[2]));
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        answers(new SafetensorsWriter.Named("vae.encode.input", new long[] {2}, new float[2]));
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        answers();
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        Files.writeString(folder.resolve("case.json"), "{\"frames_per_chunk\": -3}");
        assertThat(run("verify", folder.toString())).isEqualTo(1);
        assertThat(err.toString(StandardCharsets.UTF_8).lines().toList())
                .satisfiesExactly(
                        noise ->
                                assertThat(noise)
                                        .contains("expected.safetensors: tensor one.noise has")
                                        .endsWith("ask for shape [1, 3, 16, 4, 4]"),
                        latents ->
                                assertThat(latents)
                                        .contains("tensor vae.decode.input has shape [2]")
                                        .endsWith("ask for shape [1, 16, any, 4, 4]"),
                        clip -> assertThat(clip).contains("tensor vae.encode.input has shape [2]"),
                        lacks -> assertThat(lacks).contains("lacks tensor timesteps"),
                        setting -> assertThat(setting).contains("frames_per_chunk is -3; it must"));
    }

    /** The answers that fit and one more, or none. */
    private void answers(SafetensorsWriter.Named... more) throws Exception {
        List<SafetensorsWriter.Named> all = new ArrayList<>(List.of(more));
        if (more.length > 0) {
            all.add(
                    new SafetensorsWriter.Named(
                            "timesteps", new long[] {2}, new float[] {1000, 833.33331f}));
            all.add(
                    new SafetensorsWriter.Named(
                            "sigmas", new long[] {2}, new float[] {1, 0.83333331f}));
        }
        SafetensorsWriter.write(folder.resolve("expected.safetensors"), all, DType.F32);
    }

    @Test
    void aCheckpointIsNoModelFolder() throws Exception {
        Path checkpoint = Files.write(folder.resolve("model.pt"), new byte[] {'P', 'K', 3, 4});
        assertThat(run("info", checkpoint.toString())).isEqualTo(1);
        assertThat(run("import", checkpoint.toString(), "--base", folder.toString())).isEqualTo(1);
        RandomModel.tiny().write(folder.resolve("base"), 1);
        assertThat(
                        run(
                                "import",
                                checkpoint.toString(),
                                "--base",
                                folder.resolve("base").toString(),
                                "--out",
                                folder.resolve("out").toString()))
                .isEqualTo(1);
        assertThat(err.toString(StandardCharsets.UTF_8).lines().toList())
                .satisfiesExactly(
                        info -> assertThat(info).contains("./reelfleet model import makes one"),
                        base -> assertThat(base).contains("has no folder vae: --base must be"),
                        zip -> assertThat(zip).contains("model.pt is not a checkpoint of torch"));
        assertThat(folder.resolve("out")).doesNotExist();
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
