package io.reelfleet.tests.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./reelfleet model}: what the terminal and the exit code say of folders and files. */
class ModelE2E {
    @TempDir Path folder;

    @Test
    void aGoodModelExitsWithZeroAndABadOneWithOneAndASentence() throws Exception {
        assertThat(run(0, "info", "builtin:shapes"))
                .anyMatch(line -> line.startsWith("parameters "))
                .anyMatch(line -> line.startsWith("longest prompt "));
        Path bad = copyOfTheBuiltinModel();
        Files.write(
                bad.resolve("vae/diffusion_pytorch_model.safetensors"),
                new byte[] {'P', 'K', 3, 4, 0, 0, 8, 8, 0, 0});
        assertThat(run(1, "info", bad.toString()))
                .singleElement()
                .asString()
                .contains("not a safetensors file but a PyTorch checkpoint")
                .endsWith("./reelfleet model import");
        assertThat(run(1, "verify", bad.toString()))
                .singleElement()
                .asString()
                .contains("holds no expected.safetensors");
    }

    @Test
    void aFileThatIsNoCheckpointIsNotImported() throws Exception {
        Path checkpoint = Files.write(folder.resolve("x.pt"), new byte[] {'P', 'K', 3, 4});
        Path base = copyOfTheBuiltinModel();
        assertThat(run(1, "import", checkpoint.toString(), "--base", base.toString()))
                .singleElement()
                .asString()
                .contains("x.pt is not a checkpoint of torch.save");
        try (Stream<Path> list = Files.list(folder)) {
            assertThat(list.map(path -> path.getFileName().toString()))
                    .containsExactlyInAnyOrder("x.pt", "model", "terminal");
        }
        assertThat(run(1, "info", checkpoint.toString()))
                .singleElement()
                .asString()
                .contains("./reelfleet model import makes one from a PyTorch checkpoint");
    }

    private Path copyOfTheBuiltinModel() throws Exception {
        Path from = ROOT.resolve("runtime/engine/src/main/resources/builtin/shapes");
        Path to = folder.resolve("model");
        try (Stream<Path> walk = Files.walk(from)) {
            for (Path file : walk.filter(Files::isRegularFile).toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                Files.createDirectories(target.getParent());
                Files.copy(file, target);
            }
        }
        return to;
    }

    private static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();

    /** As the launcher starts the program once it is built; what it prints, line by line. */
    private List<String> run(int exit, String... arguments) throws Exception {
        Path cli = ROOT.resolve("e2e/cli/target");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                cli.resolve("classes") + ":" + cli.resolve("lib") + "/*",
                                "io.reelfleet.cli.Reelfleet",
                                "model"));
        command.addAll(List.of(arguments));
        Path terminal = folder.resolve("terminal");
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("REELFLEET_CHECKOUT", ROOT.toString());
        Process process =
                builder.redirectErrorStream(true)
                        .redirectOutput(terminal.toFile())
                        .redirectInput(Path.of("/dev/null").toFile())
                        .start();
        int code = process.waitFor();
        List<String> lines = Files.readAllLines(terminal);
        assertThat(code).as(() -> String.join("\n", lines)).isEqualTo(exit);
        return lines;
    }
}
