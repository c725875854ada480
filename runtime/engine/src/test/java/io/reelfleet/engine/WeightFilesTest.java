package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.OriginalNames;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.tensor.Tensors;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.SafetensorsFile;
import io.reelfleet.engine.weights.SafetensorsWriter;
import io.reelfleet.engine.weights.TensorEntry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The same numbers in other files give the same bits. */
class WeightFilesTest {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @TempDir Path folder;
    @TempDir Path other;

    /** Latents and pixels of two chunks. */
    private static List<byte[]> bits(Path model) throws Exception {
        List<byte[]> bits = new ArrayList<>();
        try (Engine engine = Engine.load(ModelFolder.of(model), EngineOptions.defaults());
                EngineSession session =
                        engine.open(new SessionParameters("s", 5, "a red ball moves left"))) {
            while (bits.size() < 4) {
                if (session.step()) {
                    GeneratedChunk chunk = session.takeChunk();
                    bits.add(chunk.latents().float32LittleEndian());
                    bits.add(chunk.frames().rgb());
                }
            }
        }
        return bits;
    }

    /** Half-precision files against files with the same numbers written out in float32. */
    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F16", "BF16"})
    void filesOfHalfPrecisionAreComputedWithExactlyTheirNumbers(DType type) throws Exception {
        RandomModel.tiny().as(type).write(folder, 1);
        RandomModel.tiny().as(type).write(other, 1);
        int files = 0;
        try (Stream<Path> walk = Files.walk(other)) {
            for (Path file : walk.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
                SafetensorsWriter.write(file, widened(file, type), DType.F32);
                files++;
            }
        }
        assertThat(files).isEqualTo(4);
        assertThat(bits(folder))
                .usingElementComparator(java.util.Arrays::compare)
                .isEqualTo(bits(other));
        RandomModel.tiny().write(other, 1);
        assertThat(bits(folder).getFirst()).isNotEqualTo(bits(other).getFirst());
    }

    /** By Java's own conversion, not by LibTorch's. */
    private static List<SafetensorsWriter.Named> widened(Path path, DType type) throws Exception {
        List<SafetensorsWriter.Named> all = new ArrayList<>();
        byte[] bytes = Files.readAllBytes(path);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            for (TensorEntry entry : file.entries().values()) {
                assertThat(entry.type()).isEqualTo(type);
                float[] values = new float[(int) entry.elements()];
                for (int i = 0; i < values.length; i++) {
                    short half = buffer.getShort((int) entry.offset() + 2 * i);
                    values[i] =
                            type == DType.F16
                                    ? Float.float16ToFloat(half)
                                    : Float.intBitsToFloat(half << 16);
                }
                long[] shape = entry.shape().stream().mapToLong(Long::longValue).toArray();
                all.add(new SafetensorsWriter.Named(entry.name(), shape, values));
            }
        }
        return all;
    }

    @Test
    void shardsAndASingleFileAndOriginalNamesAreTheSameModel() throws Exception {
        RandomModel.tiny().write(folder, 1);
        List<byte[]> published = bits(folder);

        // All weights in one file, no index.
        List<SafetensorsWriter.Named> weights = new ArrayList<>();
        Path transformer = folder.resolve("transformer");
        try (Stream<Path> list = Files.list(transformer)) {
            for (Path file :
                    list.filter(f -> f.toString().endsWith(".safetensors")).sorted().toList()) {
                weights.addAll(floats(file));
                Files.delete(file);
            }
        }
        Files.delete(transformer.resolve("diffusion_pytorch_model.safetensors.index.json"));
        SafetensorsWriter.write(
                transformer.resolve("diffusion_pytorch_model.safetensors"), weights, DType.F32);
        assertSame(published);

        // Original names, in two shards.
        Files.delete(transformer.resolve("diffusion_pytorch_model.safetensors"));
        List<SafetensorsWriter.Named> originals =
                weights.stream()
                        .map(
                                each ->
                                        new SafetensorsWriter.Named(
                                                original(each.name()), each.shape(), each.values()))
                        .toList();
        assertThat(originals.stream().map(SafetensorsWriter.Named::name))
                .contains(
                        "blocks.1.self_attn.norm_q.weight",
                        "head.modulation",
                        "text_embedding.0.bias");
        ObjectNode index = JSON.createObjectNode();
        ObjectNode map = index.putObject("weight_map");
        int half = originals.size() / 2;
        for (int part = 0; part < 2; part++) {
            String file = "diffusion_pytorch_model-0000%d-of-00002.safetensors".formatted(part + 1);
            List<SafetensorsWriter.Named> shard =
                    part == 0
                            ? originals.subList(0, half)
                            : originals.subList(half, originals.size());
            shard.forEach(each -> map.put(each.name(), file));
            SafetensorsWriter.write(transformer.resolve(file), shard, DType.F32);
        }
        Files.writeString(
                transformer.resolve("diffusion_pytorch_model.safetensors.index.json"),
                index.toString());
        assertSame(published);

        // The original release's folder and configuration, and no other.
        JsonNode config = JSON.readTree(Files.readString(transformer.resolve("config.json")));
        Files.move(transformer, folder.resolve("original"));
        Files.writeString(
                folder.resolve("original/config.json"),
                JSON.createObjectNode()
                        .put("_class_name", "WanModel")
                        .put("model_type", "t2v")
                        .put("in_dim", config.get("in_channels").asInt())
                        .put("out_dim", config.get("out_channels").asInt())
                        .put("dim", 24)
                        .put("num_heads", config.get("num_attention_heads").asInt())
                        .put("num_layers", config.get("num_layers").asInt())
                        .put("ffn_dim", config.get("ffn_dim").asInt())
                        .put("freq_dim", config.get("freq_dim").asInt())
                        .put("text_dim", config.get("text_dim").asInt())
                        .put("eps", config.get("eps").asDouble())
                        .toString());
        assertSame(published);
    }

    private void assertSame(List<byte[]> published) throws Exception {
        assertThat(bits(folder))
                .usingElementComparator(java.util.Arrays::compare)
                .isEqualTo(published);
    }

    private static List<SafetensorsWriter.Named> floats(Path path) throws Exception {
        List<SafetensorsWriter.Named> all = new ArrayList<>();
        try (PointerScope _ = new PointerScope();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            for (TensorEntry entry : file.entries().values()) {
                long[] shape = entry.shape().stream().mapToLong(Long::longValue).toArray();
                all.add(
                        new SafetensorsWriter.Named(
                                entry.name(), shape, Tensors.floats(file.read(entry))));
            }
        }
        return all;
    }

    /** The original release's name, checked by turning it back. */
    private static String original(String published) {
        String name = published;
        for (Map.Entry<String, String> rule : RULES) {
            name = name.replace(rule.getKey(), rule.getValue());
        }
        name =
                name.equals("scale_shift_table")
                        ? "head.modulation"
                        : name.replace("scale_shift_table", "modulation");
        assertThat(OriginalNames.published(name)).isEqualTo(published);
        return name;
    }

    private static final List<Map.Entry<String, String>> RULES =
            List.of(
                    Map.entry("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
                    Map.entry("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
                    Map.entry("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
                    Map.entry("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
                    Map.entry("condition_embedder.time_proj", "time_projection.1"),
                    Map.entry("proj_out", "head.head"),
                    Map.entry(".norm2.", ".norm3."),
                    Map.entry(".attn1.to_out.0.", ".self_attn.o."),
                    Map.entry(".attn2.to_out.0.", ".cross_attn.o."),
                    Map.entry(".attn1.to_", ".self_attn."),
                    Map.entry(".attn2.to_", ".cross_attn."),
                    Map.entry(".attn1.", ".self_attn."),
                    Map.entry(".attn2.", ".cross_attn."),
                    Map.entry(".ffn.net.0.proj.", ".ffn.0."),
                    Map.entry(".ffn.net.2.", ".ffn.2."));
}
