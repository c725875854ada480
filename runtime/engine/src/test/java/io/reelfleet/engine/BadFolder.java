package io.reelfleet.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.model.RandomModel;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.SafetensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * One way in which a model folder can be wrong, and what has to be said of it.
 *
 * @param name of the case, as docs/engine.md calls it
 * @param damage does it to a folder of {@link RandomModel#tiny}
 * @param sentence what the refusal has to say
 */
public record BadFolder(String name, Damage damage, List<String> sentence) {
    /** Changes a model folder. */
    public interface Damage {
        void to(Path folder) throws Exception;
    }

    private static final String TRANSFORMER = "transformer/config.json";
    private static final String VAE_CONFIG = "vae/config.json";
    private static final String TEXT = "text_encoder/config.json";
    private static final String SETTINGS = "reelfleet.json";
    private static final String INDEX =
            "transformer/diffusion_pytorch_model.safetensors.index.json";
    private static final String SHARD =
            "transformer/diffusion_pytorch_model-00002-of-00002.safetensors";
    private static final String VAE = "vae/diffusion_pytorch_model.safetensors";
    private static final String WORDS = "text_encoder/model.safetensors";
    private static final JsonMapper JSON = JsonMapper.builder().build();

    @Override
    public String toString() {
        return name;
    }

    /** Writes the model and does the damage. */
    public void write(Path folder) throws Exception {
        RandomModel.tiny().write(folder, 1);
        damage.to(folder);
    }

    /** All of them. */
    public static List<BadFolder> all() {
        List<BadFolder> cases = new ArrayList<>();
        weightFiles(cases);
        indexes(cases);
        pickles(cases);
        contradictions(cases);
        absurdSizes(cases);
        settings(cases);
        damagedConfigurations(cases);
        return cases;
    }

    private static void weightFiles(List<BadFolder> cases) {
        add(cases, "truncated tensors", cut(SHARD, 2), SHARD, "outside the file's");
        add(cases, "truncated header", cut(VAE, 100), VAE, "is truncated: its header takes");
        add(
                cases,
                "file shorter than any header",
                folder -> Files.write(folder.resolve(VAE), new byte[5]),
                VAE,
                "is truncated: it has 5 bytes");
        for (long length : new long[] {Long.MAX_VALUE, -1, 100_000_001, 0}) {
            add(
                    cases,
                    "header length " + Long.toUnsignedString(length),
                    headerLength(length),
                    VAE,
                    "its header length is " + Long.toUnsignedString(length));
        }
        add(
                cases,
                "overlapping offsets",
                header(
                        VAE,
                        node ->
                                tensor(node, "decoder.conv_out.bias")
                                        .putArray("data_offsets")
                                        .add(end(node) - 24)
                                        .add(end(node) - 12)),
                VAE,
                "tensor decoder.conv_out.bias overlaps the one before it");
        add(
                cases,
                "wrong dtype",
                header(VAE, node -> tensor(node, "post_quant_conv.bias").put("dtype", "I32")),
                VAE,
                "tensor post_quant_conv.bias has type I32; weights must be F32, F16 or BF16");
        add(
                cases,
                "unknown dtype",
                header(WORDS, node -> tensor(node, "shared.weight").put("dtype", "F8_E4M3")),
                WORDS,
                "tensor shared.weight has dtype \"F8_E4M3\"");
        add(
                cases,
                "shape that does not take its bytes",
                header(
                        VAE,
                        node ->
                                ((com.fasterxml.jackson.databind.node.ArrayNode)
                                                tensor(node, "post_quant_conv.bias").get("shape"))
                                        .insert(0, 7)),
                VAE,
                "tensor post_quant_conv.bias has 64 bytes, but shape [7, 16] of F32 takes 448");
        add(cases, "missing tensor", rename(VAE, "decoder.conv_out.bias"), "vae lacks tensor");
        add(
                cases,
                "missing tensor of the encoder",
                rename(VAE, "encoder.conv_in.bias"),
                "vae lacks tensor encoder.conv_in.bias");
        add(
                cases,
                "missing tensor of the text encoder",
                rename(WORDS, "encoder.final_layer_norm.weight"),
                "text_encoder lacks tensor encoder.final_layer_norm.weight");
        add(cases, "extra tensor", extra(VAE, "more"), "vae holds tensor more that");
        add(
                cases,
                "extra tensor of the encoder",
                extra(VAE, "encoder.more"),
                "vae holds tensor encoder.more that the configuration has no place for");
        add(
                cases,
                "extra tensor of the text encoder",
                extra(WORDS, "encoder.more"),
                "text_encoder holds tensor encoder.more that");
        add(
                cases,
                "extra tensor of the transformer",
                extra(SHARD, "blocks.0.more"),
                SHARD,
                "holds tensor blocks.0.more, which the index lacks");
        add(
                cases,
                "NaN",
                lastNumber(VAE, Float.NaN),
                VAE,
                "tensor decoder.conv_out.bias holds values that are not finite");
        add(
                cases,
                "infinity in a shard",
                lastNumber(SHARD, Float.NEGATIVE_INFINITY),
                SHARD,
                "tensor scale_shift_table holds values that are not finite");
        add(
                cases,
                "NaN of the encoder",
                firstNumber(VAE, "encoder.conv_in.weight", DType.F32, 0x7fc00000),
                VAE,
                "tensor encoder.conv_in.weight holds values that are not finite");
        add(
                cases,
                "NaN in bfloat16",
                as(DType.BF16, firstNumber(WORDS, "shared.weight", DType.BF16, 0x7fc0)),
                WORDS,
                "tensor shared.weight holds values that are not finite");
        add(
                cases,
                "NaN in float16",
                as(DType.F16, firstNumber(WORDS, "shared.weight", DType.F16, 0x7e00)),
                WORDS,
                "tensor shared.weight holds values that are not finite");
        add(
                cases,
                "tensor names with line breaks",
                extra(VAE, "a\nb\u001b[2J"),
                "vae holds tensor a?b?[2J that");
        add(
                cases,
                "tensors larger than the machine",
                folder -> huge(folder.resolve(VAE)),
                "vae holds tensors of 8796093022208 bytes, more than this machine's memory");
        add(
                cases,
                "missing file",
                folder -> Files.delete(folder.resolve(WORDS)),
                WORDS + " is missing");
    }

    private static void indexes(List<BadFolder> cases) {
        add(
                cases,
                "index names a missing shard",
                folder -> Files.delete(folder.resolve(SHARD)),
                SHARD + " is missing",
                "index.json names it for tensor");
        for (String file :
                List.of("../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "a\0b", "")) {
            add(
                    cases,
                    "index leaves the folder by " + file.replace("\0", "NUL"),
                    edit(INDEX, node -> map(node).put("proj_out.bias", file)),
                    INDEX,
                    "tensor proj_out.bias must name a file in the same folder");
        }
        add(
                cases,
                "index names no file",
                edit(INDEX, node -> map(node).put("proj_out.bias", 7)),
                INDEX,
                "tensor proj_out.bias must name a file in the same folder, not 7");
        add(
                cases,
                "index places a tensor where it is not",
                edit(
                        INDEX,
                        node ->
                                map(node)
                                        .put(
                                                "proj_out.bias",
                                                "diffusion_pytorch_model-00001-of-00002.safetensors")),
                "00001-of-00002.safetensors lacks tensor proj_out.bias, which the index places there");
        add(
                cases,
                "index lacks a tensor",
                edit(INDEX, node -> map(node).remove("proj_out.bias")),
                SHARD + " holds tensor proj_out.bias, which the index lacks");
        add(
                cases,
                "index without a map",
                edit(INDEX, node -> node.putArray("weight_map")),
                INDEX + ": weight_map must name each tensor's file");
    }

    private static void pickles(List<BadFolder> cases) {
        byte[] zip = {'P', 'K', 3, 4, 0, 0, 8, 8, 0, 0, 0, 0, 0};
        byte[] bare = {(byte) 0x80, 2, '}', 'q', 0, 'X', 3, 0, 0, 0, 'k', 'e', 'y', '.'};
        for (byte[] pickle : new byte[][] {zip, bare}) {
            add(
                    cases,
                    pickle == zip ? "checkpoint named .safetensors" : "pickle named .safetensors",
                    folder -> Files.write(folder.resolve(SHARD), pickle),
                    SHARD + " is not a safetensors file but a PyTorch checkpoint",
                    "./reelfleet model import");
        }
        add(
                cases,
                "checkpoint in the place of the weights",
                folder -> {
                    Files.delete(folder.resolve(VAE));
                    Files.write(folder.resolve("vae/diffusion_pytorch_model.bin"), zip);
                },
                VAE + " is missing; diffusion_pytorch_model.bin beside it is a PyTorch checkpoint",
                "./reelfleet model import");
    }

    /** Every size of every configuration against the weights, or against another configuration. */
    private static void contradictions(List<BadFolder> cases) {
        contradicts(cases, TRANSFORMER, "num_layers", "1", "holds tensor blocks.1.");
        contradicts(cases, TRANSFORMER, "num_layers", "3", "lacks tensor blocks.2.");
        contradicts(cases, TRANSFORMER, "num_attention_heads", "3", "has shape");
        contradicts(cases, TRANSFORMER, "attention_head_dim", "14", "has shape");
        contradicts(cases, TRANSFORMER, "ffn_dim", "33", "has shape [32, 24]");
        contradicts(cases, TRANSFORMER, "freq_dim", "34", "has shape");
        contradicts(cases, TRANSFORMER, "text_dim", "17", "the transformer's text_dim is 17");
        contradicts(cases, TRANSFORMER, "in_channels", "8", "out_channels is 16; it must be 8");
        contradicts(cases, TRANSFORMER, "out_channels", "8", "out_channels is 8; it must be 16");
        contradicts(cases, TRANSFORMER, "cross_attn_norm", "false", "holds tensor blocks.0.norm2.");
        contradicts(cases, TRANSFORMER, "patch_size", "[1, 4, 4]", "patch_size is [1,4,4]; it");
        contradicts(cases, TRANSFORMER, "qk_norm", "\"none\"", "qk_norm is \"none\"; it must be");
        contradicts(cases, TRANSFORMER, "image_dim", "1280", "image_dim is 1280; it must be null");
        contradicts(cases, VAE_CONFIG, "base_dim", "5", "has shape");
        contradicts(cases, VAE_CONFIG, "decoder_base_dim", "5", "has shape");
        contradicts(cases, VAE_CONFIG, "dim_mult", "[1, 2, 4, 5]", "has shape");
        contradicts(cases, VAE_CONFIG, "dim_mult", "[1, 2, 4]", "dim_mult is [1,2,4]; it must be");
        contradicts(cases, VAE_CONFIG, "num_res_blocks", "2", "lacks tensor");
        contradicts(cases, VAE_CONFIG, "z_dim", "8", "latents_mean is ");
        contradicts(cases, VAE_CONFIG, "temperal_downsample", "[true, false, true]", "tensor");
        contradicts(cases, TEXT, "num_layers", "1", "holds tensor encoder.block.1.");
        contradicts(cases, TEXT, "num_layers", "3", "lacks tensor encoder.block.2.");
        contradicts(cases, TEXT, "num_heads", "3", "has shape");
        contradicts(cases, TEXT, "d_kv", "9", "has shape");
        contradicts(cases, TEXT, "d_model", "17", "d_model is 17, but the transformer's text_dim");
        contradicts(cases, TEXT, "d_ff", "33", "has shape");
        contradicts(cases, TEXT, "vocab_size", "14", "shared.weight has shape [15, 16]");
        contradicts(cases, TEXT, "relative_attention_num_buckets", "16", "has shape [32, 2]");
        contradicts(cases, TEXT, "feed_forward_proj", "\"relu\"", "feed_forward_proj is \"relu\"");
    }

    /** Every size of every configuration at values that no model has. */
    private static void absurdSizes(List<BadFolder> cases) {
        List<String> values =
                List.of("-1", "0", "2147483648", "9e99", "1.5", "\"two\"", "[]", "true", "{}");
        for (String field :
                List.of(
                        "num_layers",
                        "num_attention_heads",
                        "attention_head_dim",
                        "ffn_dim",
                        "freq_dim",
                        "text_dim",
                        "in_channels")) {
            absurd(cases, TRANSFORMER, field, values);
        }
        for (String field : List.of("base_dim", "num_res_blocks", "z_dim")) {
            absurd(cases, VAE_CONFIG, field, values);
        }
        for (String field :
                List.of(
                        "num_layers",
                        "num_heads",
                        "d_kv",
                        "d_model",
                        "d_ff",
                        "vocab_size",
                        "relative_attention_num_buckets",
                        "relative_attention_max_distance")) {
            absurd(cases, TEXT, field, values);
        }
        for (String field : List.of("width", "height", "fps", "frames_per_chunk", "text_len")) {
            absurd(cases, SETTINGS, field, values);
        }
        absurd(cases, SETTINGS, "window_frames", values);
        absurd(cases, TRANSFORMER, "eps", List.of("-1", "0", "2", "9e99", "\"two\"", "[]"));
        absurd(cases, TEXT, "layer_norm_epsilon", List.of("-1", "0", "2", "9e99", "[]"));
        absurd(
                cases,
                VAE_CONFIG,
                "dim_mult",
                List.of("[1, 2, 4, 0]", "[1, 2, 4, -4]", "[1, 2, 4, 1.5]", "[1, 2, 4, 1e9]", "7"));
        absurd(
                cases,
                VAE_CONFIG,
                "temperal_downsample",
                List.of("[1, 1, 0]", "{\"a\": 1, \"b\": 2, \"c\": 3}", "\"x\"", "[true, true]"));
        absurd(cases, VAE_CONFIG, "latents_std", List.of(sixteen("0"), sixteen("-1"), "[1]"));
        absurd(cases, VAE_CONFIG, "latents_mean", List.of(sixteen("1e99"), "1", "[\"a\"]"));
    }

    private static String sixteen(String number) {
        return "[" + (number + ",").repeat(15) + number + "]";
    }

    private static void settings(List<BadFolder> cases) {
        add(
                cases,
                "side that is no multiple of 16",
                edit(SETTINGS, node -> node.put("width", 33)),
                SETTINGS + ": width is 33; it must be a multiple of 16");
        add(
                cases,
                "window smaller than sink and chunk",
                edit(SETTINGS, node -> node.put("window_frames", 5)),
                SETTINGS + ": window_frames is 5; it must hold the 3 sink_frames");
        add(
                cases,
                "rising timesteps",
                edit(
                        SETTINGS,
                        node -> {
                            node.remove("sigmas");
                            node.putArray("timesteps").add(500).add(900);
                        }),
                SETTINGS + ": timesteps and sigmas must fall");
        add(
                cases,
                "shift that makes all steps one",
                folder -> {
                    edit(
                                    SETTINGS,
                                    node -> {
                                        node.remove("sigmas");
                                        node.remove("timesteps");
                                    })
                            .to(folder);
                    edit("scheduler/scheduler_config.json", node -> node.put("shift", 1e300))
                            .to(folder);
                },
                "scheduler_config.json: timesteps and sigmas must fall");
        add(
                cases,
                "guidance without a bound",
                edit(SETTINGS, node -> node.put("guidance_scale", 1e30)),
                SETTINGS + ": guidance_scale is 1.0E30; it must be a number greater than 0 and at");
        add(
                cases,
                "controls that are no list",
                edit(SETTINGS, node -> node.put("controls", 5)),
                SETTINGS + ": controls is 5; it must be a list of strings");
        add(
                cases,
                "chunk that no array holds",
                edit(
                        SETTINGS,
                        node ->
                                node.put("width", 8192)
                                        .put("height", 8192)
                                        .put("frames_per_chunk", 64)
                                        .put("window_frames", 128)),
                SETTINGS + ": with width 8192, height 8192, frames_per_chunk 64",
                "a chunk takes 51539607552 bytes of video");
    }

    private static void damagedConfigurations(List<BadFolder> cases) {
        for (String file : List.of(TRANSFORMER, VAE_CONFIG, TEXT, SETTINGS, INDEX)) {
            text(cases, file, "empty", "", "must hold a JSON object");
            text(cases, file, "cut short", "{\"num_layers\": 2", "is not JSON");
            text(cases, file, "a list", "[1]", "must hold a JSON object");
            text(cases, file, "with NaN", "{\"eps\": NaN}", "is not JSON");
            text(cases, file, "with a field twice", "{\"a\": 1, \"a\": 2}", "is not JSON");
            text(cases, file, "that goes on", "{} {}", "is not JSON");
            text(cases, file, "nested deeply", "{\"a\":" + "[".repeat(5000), "is not JSON");
            text(cases, file, "too large", " ".repeat((4 << 20) + 1), "is larger than");
            text(
                    cases,
                    file,
                    "of too many numbers",
                    "{\"a\":[" + "0,".repeat(600_000) + "0]}",
                    "is not JSON");
        }
        for (String file : List.of(TRANSFORMER, VAE_CONFIG, TEXT)) {
            add(
                    cases,
                    file + " missing",
                    folder -> Files.delete(folder.resolve(file)),
                    file + " is missing");
        }
        text(cases, "tokenizer/tokenizer.json", "cut short", "{\"version\":", "is not a tokenizer");
        add(
                cases,
                "tokenizer missing",
                folder -> Files.delete(folder.resolve("tokenizer/tokenizer.json")),
                "tokenizer/tokenizer.json is missing");
    }

    // How damage is done.

    private static void add(List<BadFolder> cases, String name, Damage damage, String... sentence) {
        cases.add(new BadFolder(name, damage, List.of(sentence)));
    }

    private static void contradicts(
            List<BadFolder> cases, String file, String field, String value, String sentence) {
        add(
                cases,
                file + ": " + field + " " + value + " against the weights",
                edit(file, node -> node.set(field, json(value))),
                file.substring(0, file.indexOf('/')),
                sentence);
    }

    private static void absurd(
            List<BadFolder> cases, String file, String field, List<String> values) {
        for (String value : values) {
            add(
                    cases,
                    file + ": " + field + " " + value,
                    edit(file, node -> node.set(field, json(value))),
                    file + ": " + field + " is ",
                    "; it must ");
        }
    }

    private static void text(
            List<BadFolder> cases, String file, String name, String text, String sentence) {
        add(
                cases,
                file + " " + name,
                folder -> Files.writeString(folder.resolve(file), text),
                file,
                sentence);
    }

    private static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static ObjectNode map(ObjectNode index) {
        return (ObjectNode) index.get("weight_map");
    }

    private static ObjectNode tensor(ObjectNode header, String name) {
        return (ObjectNode) header.get(name);
    }

    private static Damage edit(String file, Consumer<ObjectNode> change) {
        return folder -> {
            Path path = folder.resolve(file);
            ObjectNode node = (ObjectNode) JSON.readTree(Files.readString(path));
            change.accept(node);
            Files.writeString(path, node.toString());
        };
    }

    private static Damage cut(String file, int part) {
        return folder -> {
            byte[] bytes = Files.readAllBytes(folder.resolve(file));
            Files.write(folder.resolve(file), Arrays.copyOf(bytes, bytes.length / part));
        };
    }

    private static Damage headerLength(long length) {
        return folder -> {
            byte[] bytes = Files.readAllBytes(folder.resolve(VAE));
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
            Files.write(folder.resolve(VAE), bytes);
        };
    }

    /** Changes a safetensors file's header and leaves the numbers. */
    private static Damage header(String file, Consumer<ObjectNode> change) {
        return folder -> {
            byte[] bytes = Files.readAllBytes(folder.resolve(file));
            int length = (int) little(bytes).getLong(0);
            ObjectNode node =
                    (ObjectNode)
                            JSON.readTree(new String(bytes, 8, length, StandardCharsets.UTF_8));
            change.accept(node);
            byte[] text = node.toString().getBytes(StandardCharsets.UTF_8);
            ByteBuffer out =
                    ByteBuffer.allocate(8 + text.length + bytes.length - 8 - length)
                            .order(ByteOrder.LITTLE_ENDIAN);
            out.putLong(text.length).put(text).put(bytes, 8 + length, bytes.length - 8 - length);
            Files.write(folder.resolve(file), out.array());
        };
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static Damage rename(String file, String tensor) {
        return header(file, node -> node.set(tensor + ".other", node.remove(tensor)));
    }

    /** Where the last tensor of a header ends. */
    private static long end(ObjectNode header) {
        long end = 0;
        for (JsonNode each : header) {
            end = Math.max(end, each.path("data_offsets").path(1).asLong());
        }
        return end;
    }

    /** A tensor without numbers, after all others. */
    private static Damage extra(String file, String name) {
        return header(
                file,
                node -> {
                    long end = end(node);
                    ObjectNode tensor = node.putObject(name).put("dtype", "F32");
                    tensor.putArray("shape").add(0);
                    tensor.putArray("data_offsets").add(end).add(end);
                });
    }

    private static Damage lastNumber(String file, float value) {
        return folder -> {
            byte[] bytes = Files.readAllBytes(folder.resolve(file));
            little(bytes).putFloat(bytes.length - 4, value);
            Files.write(folder.resolve(file), bytes);
        };
    }

    private static Damage firstNumber(String file, String tensor, DType type, int bits) {
        return folder -> {
            byte[] bytes = Files.readAllBytes(folder.resolve(file));
            int length = (int) little(bytes).getLong(0);
            JsonNode node = JSON.readTree(new String(bytes, 8, length, StandardCharsets.UTF_8));
            int at = 8 + length + node.get(tensor).get("data_offsets").get(0).asInt();
            if (type == DType.F32) {
                little(bytes).putInt(at, bits);
            } else {
                little(bytes).putShort(at, (short) bits);
            }
            Files.write(folder.resolve(file), bytes);
        };
    }

    private static Damage as(DType type, Damage damage) {
        return folder -> {
            RandomModel.tiny().as(type).write(folder, 1);
            damage.to(folder);
        };
    }

    /** A file that says it holds 8 TiB, and takes no room on the disk. */
    private static void huge(Path file) throws IOException {
        long bytes = 1L << 43;
        byte[] text =
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]}}"
                        .formatted(bytes / 4, bytes)
                        .getBytes(StandardCharsets.UTF_8);
        Files.delete(file);
        try (java.io.RandomAccessFile out = new java.io.RandomAccessFile(file.toFile(), "rw")) {
            ByteBuffer head = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            out.write(head.putLong(text.length).array());
            out.write(text);
            try {
                out.setLength(8 + text.length + bytes);
            } catch (IOException e) {
                throw new org.opentest4j.TestAbortedException(
                        "skipped: this file system has no files of 8 TiB", e);
            }
        }
    }

    /** Answers that only say which model they belong to: {@code verify} loads it first. */
    public static void writeAnswers(Path folder) throws IOException {
        Files.writeString(
                folder.resolve("case.json"),
                """
                {"frames_per_chunk": 3, "chunks": 1, "window_frames": 9, "sink_frames": 3,
                 "latent_height": 4, "latent_width": 4, "text_len": 16,
                 "denoising_steps": [1000, 500], "shift": 5.0}
                """);
        SafetensorsWriter.write(
                folder.resolve("expected.safetensors"),
                List.of(
                        new SafetensorsWriter.Named(
                                "timesteps", new long[] {2}, new float[] {1000, 833.33331f}),
                        new SafetensorsWriter.Named(
                                "sigmas", new long[] {2}, new float[] {1, 0.83333331f})),
                DType.F32);
    }
}
