package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Models of sizes drawn at random, and models whose files hold bfloat16 or float16, beside PyTorch:
 * diffusers and transformers where they are there, and the project's own PyTorch code, itself held
 * against the same answers.
 */
class OtherSizesTest {
    private static final String PYTHON = System.getenv("REELFLEET_PYTHON");

    @TempDir Path folder;

    private static int python(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(PYTHON));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                .directory(Path.of("training").toAbsolutePath().toFile())
                .inheritIO()
                .start()
                .waitFor();
    }

    private static void needsPython() {
        Assumptions.assumeTrue(
                PYTHON != null && Files.isDirectory(Path.of("training")),
                "skipped: REELFLEET_PYTHON names no Python with torch and safetensors");
    }

    private static void needsPublicLibraries() throws Exception {
        needsPython();
        Assumptions.assumeTrue(
                python(
                                "-c",
                                "import importlib.util as u, sys; sys.exit(not (u.find_spec('diffusers') and u.find_spec('transformers')))")
                        == 0,
                "skipped: the Python of REELFLEET_PYTHON has no diffusers and transformers");
    }

    private static void assertAgrees(Path model) throws ModelException {
        List<ModelVerify.Line> lines = ModelVerify.run(model, line -> {});
        assertThat(lines).hasSizeGreaterThan(20).allMatch(ModelVerify.Line::passed);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 5, 8})
    void agreesWithPyTorchAtRandomSizes(int seed) throws Exception {
        needsPython();
        assertThat(
                        python(
                                "-m",
                                "shapes.reference",
                                folder.toString(),
                                "--seed",
                                String.valueOf(seed)))
                .isZero();
        assertAgrees(folder);
    }

    @Test
    void agreesWithDiffusersAndTransformersAtRandomSizes() throws Exception {
        needsPublicLibraries();
        List<String> seeds = List.of("3", "4", "7", "9", "11", "17");
        List<String> arguments =
                new ArrayList<>(List.of("-m", "shapes.public", folder.toString(), "--seeds"));
        arguments.addAll(seeds);
        assertThat(python(arguments.toArray(String[]::new))).isZero();
        for (String seed : seeds) {
            assertAgrees(folder.resolve(seed));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"bfloat16", "float16"})
    void agreesWithDiffusersAndTransformersOnTheRoundedWeightsOfFilesOf(String dtype)
            throws Exception {
        needsPublicLibraries();
        List<Path> fixtures = Fixtures.folders();
        Assumptions.assumeFalse(
                fixtures.isEmpty(), "skipped: no shared/fixtures beside the checkout");
        assertThat(
                        python(
                                "-m",
                                "shapes.public",
                                folder.toString(),
                                "--from",
                                fixtures.getLast().toString(),
                                "--dtype",
                                dtype))
                .isZero();
        assertAgrees(folder);
    }
}
