package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.RandomModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
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

    @Property(tries = 50)
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
}
