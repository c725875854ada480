package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The project's PyTorch code, itself held against the public answers, at sizes drawn at random. */
class OtherSizesTest {
    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(ints = {2, 5, 8})
    void agreesWithPyTorchAtRandomSizes(int seed) throws Exception {
        String python = System.getenv("REELFLEET_PYTHON");
        Path training = Path.of("training").toAbsolutePath();
        Assumptions.assumeTrue(
                python != null && Files.isDirectory(training),
                "skipped: REELFLEET_PYTHON names no Python with torch and safetensors");
        Process process =
                new ProcessBuilder(
                                python,
                                "-m",
                                "shapes.reference",
                                folder.toString(),
                                "--seed",
                                String.valueOf(seed))
                        .directory(training.toFile())
                        .inheritIO()
                        .start();
        assertThat(process.waitFor()).isZero();
        List<ModelVerify.Line> lines = ModelVerify.run(folder, line -> {});
        assertThat(lines).hasSizeGreaterThan(20).allMatch(ModelVerify.Line::passed);
    }
}
