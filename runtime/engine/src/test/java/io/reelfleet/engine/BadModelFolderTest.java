package io.reelfleet.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.SafetensorsWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BadModelFolderTest {
    private static final String SHARD =
            "transformer/diffusion_pytorch_model-00002-of-00002.safetensors";
    private static final String VAE = "vae/diffusion_pytorch_model.safetensors";

    @TempDir Path folder;

    @BeforeEach
    void write() throws Exception {
        RandomModel.tiny().write(folder, 1);
    }

    private void assertRefused(String... parts) {
        assertThatThrownBy(this::load)
                .isInstanceOf(ModelException.class)
                .satisfies(e -> assertThat(e.getMessage()).contains(parts).doesNotContain("\n"));
    }

    private void load() throws ModelException {
        Engine.load(ModelFolder.of(folder), EngineOptions.defaults()).close();
    }

    private void edit(String file, Consumer<ObjectNode> change) throws Exception {
        JsonMapper mapper = JsonMapper.builder().build();
        ObjectNode node = (ObjectNode) mapper.readTree(Files.readString(folder.resolve(file)));
        change.accept(node);
        Files.writeString(folder.resolve(file), node.toString());
    }

    @Test
    void loadsBfloat16AndFloat16() throws Exception {
        for (DType type : List.of(DType.BF16, DType.F16)) {
            RandomModel.tiny().as(type).write(folder, 1);
            load();
        }
    }

    @Test
    void aMissingShardIsNamed() throws Exception {
        Files.delete(folder.resolve(SHARD));
        assertRefused("00002-of-00002.safetensors is missing", "index.json names it for tensor");
    }

    @Test
    void aTruncatedShardIsNamed() throws Exception {
        byte[] bytes = Files.readAllBytes(folder.resolve(SHARD));
        Files.write(folder.resolve(SHARD), java.util.Arrays.copyOf(bytes, bytes.length / 2));
        assertRefused("00002-of-00002.safetensors", "outside the file's");
    }

    @Test
    void aShapeThatTheConfigurationContradictsIsNamed() throws Exception {
        edit("transformer/config.json", node -> node.put("ffn_dim", 33));
        assertRefused("ffn.net.0.proj.weight has shape [32, 24]", "asks for [33, 24]");
    }

    @Test
    void aTensorThatTheConfigurationHasNoPlaceForIsNamed() throws Exception {
        edit("transformer/config.json", node -> node.put("num_layers", 1));
        assertRefused("transformer holds tensor blocks.1.", "no place for");
    }

    @Test
    void aMissingTensorIsNamed() throws Exception {
        edit("transformer/config.json", node -> node.put("num_layers", 3));
        assertRefused("transformer lacks tensor blocks.2.");
    }

    @Test
    void aTensorThatIsNotWhereTheIndexSaysIsNamed() throws Exception {
        edit(
                "transformer/diffusion_pytorch_model.safetensors.index.json",
                node -> {
                    ObjectNode map = (ObjectNode) node.get("weight_map");
                    map.put("proj_out.bias", "diffusion_pytorch_model-00001-of-00002.safetensors");
                });
        assertRefused("00001-of-00002.safetensors lacks tensor proj_out.bias");
    }

    @Test
    void anIndexThatLeavesTheFolderIsRefused() throws Exception {
        edit(
                "transformer/diffusion_pytorch_model.safetensors.index.json",
                node ->
                        ((ObjectNode) node.get("weight_map"))
                                .put("proj_out.bias", "../secret.bin"));
        assertRefused("proj_out.bias must name a file in the same folder");
    }

    @Test
    void weightsThatAreNotNumbersAreNamed() throws Exception {
        byte[] bytes = Files.readAllBytes(folder.resolve(VAE));
        int nan = 0x7fc00000;
        for (int i = 0; i < 4; i++) {
            bytes[bytes.length - 4 + i] = (byte) (nan >> (8 * i));
        }
        Files.write(folder.resolve(VAE), bytes);
        assertRefused("vae", "conv_out.bias holds values that are not finite");
    }

    @Test
    void weightsOfTheWrongTypeAreNamed() throws Exception {
        byte[] bytes = Files.readAllBytes(folder.resolve(VAE));
        String text = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1);
        String first = "\"post_quant_conv.bias\":{\"dtype\":\"F32\"";
        assertThat(text).contains(first);
        Files.write(
                folder.resolve(VAE),
                text.replace(first, first.replace("F32", "I32"))
                        .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        assertRefused("post_quant_conv.bias has type I32; weights must be F32, F16 or BF16");
    }

    @Test
    void aPickleGivenAsAModelIsRefused() throws Exception {
        Files.write(folder.resolve(VAE), new byte[] {'P', 'K', 3, 4, 0, 0, 8, 8, 0, 0, 0, 0, 0});
        assertRefused(VAE, "not a safetensors file", "./reelfleet model import");
    }

    @Test
    void missingPartsAreNamed() throws Exception {
        Files.delete(folder.resolve("vae/config.json"));
        assertRefused("vae/config.json is missing");
        RandomModel.tiny().write(folder, 1);
        Files.delete(folder.resolve("tokenizer/tokenizer.json"));
        assertRefused("tokenizer/tokenizer.json is missing");
        RandomModel.tiny().write(folder, 1);
        Files.writeString(folder.resolve("tokenizer/tokenizer.json"), "{\"version\":");
        assertRefused("tokenizer/tokenizer.json is not a tokenizer");
        RandomModel.tiny().write(folder, 1);
        Files.delete(folder.resolve("text_encoder/model.safetensors"));
        assertRefused("text_encoder/model.safetensors is missing");
        assertThatThrownBy(() -> ModelFolder.of(folder.resolve("nowhere")))
                .hasMessageContaining("nowhere is not a folder");
    }

    @Test
    void configurationsSayWhatTheyMustHold() throws Exception {
        edit("transformer/config.json", node -> node.put("image_dim", 1280));
        assertRefused("transformer/config.json: image_dim is 1280", "must be null");
        RandomModel.tiny().write(folder, 1);
        edit("transformer/config.json", node -> node.put("num_layers", "two"));
        assertRefused("num_layers is \"two\"; it must be a whole number from 1 to 1000");
        RandomModel.tiny().write(folder, 1);
        edit("reelfleet.json", node -> node.put("width", 33));
        assertRefused("reelfleet.json: width is 33; it must be a multiple of 16");
        RandomModel.tiny().write(folder, 1);
        edit("reelfleet.json", node -> node.put("window_frames", 5));
        assertRefused("reelfleet.json: window_frames is 5; it must hold the 3 sink_frames");
        RandomModel.tiny().write(folder, 1);
        edit("reelfleet.json", node -> node.remove("sigmas"));
        edit("reelfleet.json", node -> node.putArray("timesteps").add(500).add(900));
        assertRefused("reelfleet.json: timesteps and sigmas must fall");
        RandomModel.tiny().write(folder, 1);
        edit("vae/config.json", node -> node.put("z_dim", 8));
        assertRefused("vae/config.json: latents_mean");
        Files.writeString(folder.resolve("vae/config.json"), "{");
        assertRefused("vae/config.json is not JSON");
    }

    @Test
    void aRefusedFolderLeavesNothingBehind() throws Exception {
        load();
        long objects = Pointer.totalCount();
        edit("transformer/config.json", node -> node.put("num_layers", 1));
        assertRefused("no place for");
        edit("transformer/config.json", node -> node.put("num_layers", 2));
        edit("vae/config.json", node -> node.put("num_res_blocks", 2));
        assertRefused("vae lacks tensor");
        SafetensorsWriter.write(folder.resolve(VAE), List.of(), DType.F32);
        assertRefused("vae lacks tensor");
        assertThat(Pointer.totalCount()).isEqualTo(objects);
    }
}
