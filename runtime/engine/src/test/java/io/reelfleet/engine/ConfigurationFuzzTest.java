package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.model.TextEncoderConfig;
import io.reelfleet.engine.model.TransformerConfig;
import io.reelfleet.engine.model.VaeConfig;
import io.reelfleet.engine.weights.Weights;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/**
 * Whatever stands in one field of a configuration, the folder loads or is refused in one sentence.
 */
class ConfigurationFuzzTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final List<String> FILES =
            List.of(
                    "transformer/config.json",
                    "vae/config.json",
                    "text_encoder/config.json",
                    "scheduler/scheduler_config.json",
                    "reelfleet.json",
                    "transformer/diffusion_pytorch_model.safetensors.index.json");
    private static final String[] VALUES = {
        "null",
        "-1",
        "0",
        "1",
        "3",
        "7",
        "1000000",
        "2147483647",
        "9e99",
        "-0.5",
        "1e-30",
        "\"\"",
        "\"x\"",
        "true",
        "[]",
        "[1,2]",
        "[-1,0,1,2]",
        "{}",
        "{\"a\":[[]]}",
        "9223372036854775808"
    };

    private static Path folder;

    @BeforeContainer
    static void write() throws Exception {
        folder = Files.createTempDirectory("reelfleet-fuzz-");
        RandomModel.tiny().write(folder, 1);
    }

    @AfterContainer
    static void delete() throws Exception {
        try (Stream<Path> walk = Files.walk(folder)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    @Property(tries = 200)
    void anyValueOfAnyFieldLoadsOrIsRefused(
            @ForAll @IntRange(max = 5) int file,
            @ForAll @IntRange(max = 1000) int field,
            @ForAll @IntRange(max = 19) int value)
            throws Exception {
        Path path = folder.resolve(FILES.get(file));
        String before = Files.readString(path);
        ObjectNode node = (ObjectNode) JSON.readTree(before);
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        JsonNode other = JSON.readTree(VALUES[value]);
        node.set(names.get(field % names.size()), other);
        Files.writeString(path, node.toString());
        try {
            Engine.load(ModelFolder.of(folder), EngineOptions.defaults()).close();
        } catch (ModelException | DoesNotFitException e) {
            assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
        } finally {
            Files.writeString(path, before);
        }
    }

    /** Reads one configuration out of a folder. */
    private interface Reader {
        Object read(Path folder) throws ModelException;
    }

    private static final Reader[] READERS = {
        f -> TransformerConfig.read(f.resolve(FILES.get(0))),
        f -> VaeConfig.read(f.resolve(FILES.get(1))),
        f -> TextEncoderConfig.read(f.resolve(FILES.get(2))),
        // With another number of steps, so that the scheduler's shift counts.
        f ->
                GenerationSettings.read(
                        f, new GenerationOverrides(null, null, null, 3, null, null, null)),
        f -> GenerationSettings.read(f, GenerationOverrides.none()),
        f -> {
            Weights.open(f.resolve("transformer"), "diffusion_pytorch_model", name -> name).close();
            return "open";
        }
    };

    private static void readsOrRefuses(int file, byte[] content) throws Exception {
        Path path = folder.resolve(FILES.get(file));
        byte[] before = Files.readAllBytes(path);
        Files.write(path, content);
        try {
            assertThat(READERS[file].read(folder)).isNotNull();
        } catch (ModelException e) {
            assertThat(e.getMessage()).contains(folder.toString()).hasSizeLessThan(1500);
            assertThat(e.getMessage().chars()).noneMatch(Character::isISOControl);
        } finally {
            Files.write(path, before);
        }
    }

    /** Every field of every configuration with every value: the readers alone, so all of them. */
    @Example
    void everyValueOfEveryFieldIsReadOrRefused() throws Exception {
        for (int file = 0; file < READERS.length; file++) {
            ObjectNode original =
                    (ObjectNode) JSON.readTree(Files.readString(folder.resolve(FILES.get(file))));
            List<String> names = new ArrayList<>(MORE.get(file));
            original.fieldNames().forEachRemaining(names::add);
            for (String name : names) {
                for (String value : VALUES) {
                    ObjectNode node = original.deepCopy();
                    node.set(name, JSON.readTree(value));
                    readsOrRefuses(file, node.toString().getBytes(StandardCharsets.UTF_8));
                }
                ObjectNode node = original.deepCopy();
                node.remove(name);
                readsOrRefuses(file, node.toString().getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    /** Fields that the readers know and the tiny model's files do not have. */
    private static final List<List<String>> MORE =
            List.of(
                    List.of("in_dim", "dim", "num_heads", "model_type", "_class_name"),
                    List.of("decoder_base_dim", "is_residual", "attn_scales", "patch_size"),
                    List.of("_class_name"),
                    List.of("flow_shift"),
                    List.of("retrieved_frames", "bank_frames", "positions", "guidance_scale"),
                    List.of("metadata"));

    @Property(tries = 500)
    void anyBytesAreReadOrRefused(
            @ForAll @IntRange(max = 5) int file, @ForAll @Size(max = 200) byte[] bytes)
            throws Exception {
        readsOrRefuses(file, bytes);
    }

    @Property(tries = 1000)
    void anyChangedBytesAreReadOrRefused(
            @ForAll @IntRange(max = 5) int file,
            @ForAll @Size(min = 1, max = 4) List<@IntRange(max = 1 << 16) Integer> places,
            @ForAll("pieces") String piece)
            throws Exception {
        StringBuilder text = new StringBuilder(Files.readString(folder.resolve(FILES.get(file))));
        for (int place : places) {
            int at = place % text.length();
            text.replace(at, Math.min(text.length(), at + 1 + place % 3), piece);
        }
        readsOrRefuses(file, text.toString().getBytes(StandardCharsets.UTF_8));
    }

    @Provide
    Arbitrary<String> pieces() {
        return Arbitraries.of(
                "", "0", "-", "9", "e", "e9", ".", "\"", ",", ":", "[", "]", "{", "}", "null",
                "true", "NaN", "\\u0000", "\n", "\0", "\u00e9", "/", "..");
    }
}
