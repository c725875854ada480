package io.reelfleet.engine.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.reelfleet.engine.Engine;
import io.reelfleet.engine.EngineOptions;
import io.reelfleet.engine.EngineSession;
import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.ModelFolder;
import io.reelfleet.engine.SessionParameters;
import io.reelfleet.engine.model.OriginalNames;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.Weights;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The checkpoints were written by real PyTorch: src/test/resources/checkpoints/make.py. */
class CheckpointImportTest {
    private static final RandomModel BASE =
            new RandomModel(1, 1, 6, 8, 8, 4, 1, 32, 32, 3, 9, 3, 2, 1, DType.F32);

    @TempDir Path folder;
    private Path base;
    private Path out;

    @BeforeEach
    void writeBase() throws Exception {
        base = folder.resolve("base");
        out = folder.resolve("imported");
        BASE.write(base, 1);
    }

    private Path checkpoint(String name) throws Exception {
        Path file = folder.resolve(name);
        try (InputStream in = getClass().getResourceAsStream("/checkpoints/" + name)) {
            Files.write(file, in.readAllBytes());
        }
        return file;
    }

    private CheckpointImport.Request request(String name) throws Exception {
        return new CheckpointImport.Request(checkpoint(name), base, out, null, null, null);
    }

    private interface Expected {
        double at(String published, int element, double plain);
    }

    /** Compares all imported weights with make.py's rule, changed by {@code expected}. */
    private void assertWeights(DType type, Expected expected) throws Exception {
        try (Weights weights =
                        Weights.open(
                                out.resolve("transformer"), "diffusion_pytorch_model", n -> n);
                PointerScope _ = new PointerScope()) {
            TreeSet<String> originals = new TreeSet<>(originalNames());
            assertThat(weights.names()).hasSize(originals.size());
            int j = 0;
            for (String original : originals) {
                String name = OriginalNames.published(original);
                Tensor raw = weights.raw(name);
                assertThat(raw.scalar_type().intern()).isEqualTo(type.type());
                float[] values = Tensors.floats(raw.to(torch.ScalarType.Float));
                for (int i = 0; i < values.length; i++) {
                    double plain = ((31L * i + 17L * j) % 101 - 50) / 256.0;
                    assertThat((double) values[i]).isEqualTo((float) expected.at(name, i, plain));
                }
                j++;
            }
        }
    }

    private static List<String> originalNames() {
        TreeSet<String> names = new TreeSet<>();
        for (String part :
                List.of(
                        "patch_embedding",
                        "text_embedding.0",
                        "text_embedding.2",
                        "time_embedding.0",
                        "time_embedding.2",
                        "time_projection.1",
                        "head.head",
                        "blocks.0.norm3",
                        "blocks.0.ffn.0",
                        "blocks.0.ffn.2")) {
            names.add(part + ".weight");
            names.add(part + ".bias");
        }
        for (String attention : List.of("blocks.0.self_attn.", "blocks.0.cross_attn.")) {
            for (String part : List.of("q", "k", "v", "o")) {
                names.add(attention + part + ".weight");
                names.add(attention + part + ".bias");
            }
            names.add(attention + "norm_q.weight");
            names.add(attention + "norm_k.weight");
        }
        names.add("blocks.0.modulation");
        names.add("head.modulation");
        return List.copyOf(names);
    }

    @Test
    void takesTheAveragedGeneratorOfSelfForcingAndGeneratesWithIt() throws Exception {
        CheckpointImport.Result result = CheckpointImport.run(request("self-forcing.pt"));
        assertThat(result.key()).isEqualTo("generator_ema");
        assertThat(result.tensors()).isEqualTo(originalNames().size());
        assertWeights(DType.BF16, (name, i, plain) -> plain);
        try (Engine engine = Engine.load(ModelFolder.of(out), EngineOptions.defaults());
                EngineSession session = engine.open(new SessionParameters("i", 1, "a red ball"))) {
            assertThat(engine.model().name()).isEqualTo("imported");
            while (!session.step()) {
                // one denoising step at a time
            }
            assertThat(session.takeChunk().frames().count()).isEqualTo(9);
        }
    }

    @Test
    void takesAnotherPartOnRequest() throws Exception {
        CheckpointImport.run(
                new CheckpointImport.Request(
                        checkpoint("self-forcing.pt"), base, out, "generator", null, null));
        assertWeights(DType.F32, (name, i, plain) -> 0);
    }

    @Test
    void readsViewsSharedStoragesAndParameters() throws Exception {
        assertThat(CheckpointImport.run(request("flat.pt")).key()).isEmpty();
        assertWeights(DType.F16, (name, i, plain) -> plain);
    }

    @Test
    void addsLongLivesDeltasOnRequest() throws Exception {
        CheckpointImport.Result result =
                CheckpointImport.run(
                        new CheckpointImport.Request(
                                checkpoint("longlive-base.pt"),
                                base,
                                out,
                                null,
                                checkpoint("longlive-lora.pt"),
                                4.0));
        assertThat(result.merged()).isEqualTo(2);
        assertWeights(
                DType.F32,
                (name, i, plain) ->
                        name.equals("blocks.0.attn1.to_q.weight")
                                        || name.equals("blocks.0.ffn.net.0.proj.weight")
                                ? plain + delta(i / 6, i % 6) * 4.0 / 2
                                : plain);
    }

    private static double delta(int row, int column) {
        double sum = 0;
        for (int r = 0; r < 2; r++) {
            sum += ((2 * row + r) / 32.0 - 0.25) * ((r * 6 + column) / 16.0 - 0.5);
        }
        return sum;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "evil.pt | names posix.system",
                "module.pt | torch.nn.modules.linear.Linear",
                "old-format.pt | older than PyTorch 1.6",
                "tensor.pt | does not hold a dict of tensors",
                "incomplete.pt | lacks tensor blocks.0.norm2.weight"
            })
    void refusesWhatIsNotACheckpointOfTensors(String name, String reason) throws Exception {
        CheckpointImport.Request request = request(name);
        assertThatThrownBy(() -> CheckpointImport.run(request))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(reason)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
        assertThat(out).doesNotExist();
        assertThat(folder.resolve("imported.part")).doesNotExist();
    }

    @Test
    void refusesDeltasThatDoNotFit() throws Exception {
        BASE.write(base, 1);
        CheckpointImport.Request swapped =
                new CheckpointImport.Request(
                        checkpoint("longlive-base.pt"),
                        base,
                        out,
                        null,
                        checkpoint("self-forcing.pt"),
                        null);
        assertThatThrownBy(() -> CheckpointImport.run(swapped))
                .hasMessageContaining("self-forcing.pt: generator is not a tensor");
        assertThat(out).doesNotExist();
    }

    @Test
    void refusesAStorageOfAnotherSize() throws Exception {
        Path bad = rewritten("longlive-base.pt", false, 3);
        assertThatThrownBy(
                        () ->
                                CheckpointImport.run(
                                        new CheckpointImport.Request(
                                                bad, base, out, null, null, null)))
                .hasMessageContaining("lies in a storage of")
                .hasMessageContaining("but its file has 3 bytes");
    }

    @Test
    void refusesCompressedFiles() throws Exception {
        Path bad = rewritten("longlive-base.pt", true, -1);
        assertThatThrownBy(
                        () ->
                                CheckpointImport.run(
                                        new CheckpointImport.Request(
                                                bad, base, out, null, null, null)))
                .hasMessageContaining("is compressed");
    }

    /** The checkpoint with its files compressed, or with its first storage cut to a size. */
    private Path rewritten(String name, boolean compressed, int cut) throws Exception {
        Path bad = folder.resolve("bad.pt");
        try (ZipFile in = new ZipFile(checkpoint(name).toFile());
                ZipOutputStream to = new ZipOutputStream(Files.newOutputStream(bad))) {
            for (ZipEntry each : java.util.Collections.list(in.entries())) {
                byte[] content = in.getInputStream(each).readAllBytes();
                if (cut >= 0 && each.getName().endsWith("/data/0")) {
                    content = java.util.Arrays.copyOf(content, cut);
                }
                ZipEntry entry = new ZipEntry(each.getName());
                entry.setMethod(compressed ? ZipEntry.DEFLATED : ZipEntry.STORED);
                CRC32 crc = new CRC32();
                crc.update(content);
                entry.setCrc(crc.getValue());
                entry.setSize(content.length);
                if (!compressed) {
                    entry.setCompressedSize(content.length);
                }
                to.putNextEntry(entry);
                to.write(content);
            }
        }
        return bad;
    }
}
