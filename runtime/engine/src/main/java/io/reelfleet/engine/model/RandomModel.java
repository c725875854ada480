package io.reelfleet.engine.model;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.reelfleet.engine.weights.DType;
import io.reelfleet.engine.weights.SafetensorsWriter;
import io.reelfleet.engine.weights.SafetensorsWriter.Named;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Writes a model folder of any size with random weights, in the published layout with tokenizer and
 * all: what tests and benchmarks run on where no trained model is needed.
 *
 * @param layers blocks of the transformer
 * @param heads attention heads
 * @param headDim channels of a head
 * @param ffnDim inner channels of the feed-forward part
 * @param textDim channels of the text encoder
 * @param vaeBase channels of the VAE at full resolution
 * @param resBlocks residual blocks per level of the VAE
 * @param width video width in pixels
 * @param height video height in pixels
 * @param framesPerChunk latent frames per chunk
 * @param windowFrames latent frames a chunk attends to
 * @param sinkFrames first latent frames that never leave
 * @param steps denoising steps
 * @param shards files that the transformer's weights are spread over
 * @param type element type of the files
 * @param inner the rest
 */
public record RandomModel(
        int layers,
        int heads,
        int headDim,
        int ffnDim,
        int textDim,
        int vaeBase,
        int resBlocks,
        int width,
        int height,
        int framesPerChunk,
        int windowFrames,
        int sinkFrames,
        int steps,
        int shards,
        DType type,
        Inner inner) {
    /**
     * Sizes that need not vary but in tests of other sizes.
     *
     * @param freqDim channels of the timestep's sinusoids
     * @param latentChannels channels of the latents
     * @param dimMult channels of each level of the VAE, in multiples of its base, from full
     *     resolution down
     * @param temporalDown whether each of the encoder's downsamplings halves the frames too; two of
     *     three do
     * @param textLayers blocks of the text encoder
     * @param textHeads its attention heads
     * @param textHeadDim channels of such a head
     * @param textLen tokens of a prompt
     * @param buckets of relative distances between tokens
     */
    public record Inner(
            int freqDim,
            int latentChannels,
            List<Integer> dimMult,
            List<Boolean> temporalDown,
            int textLayers,
            int textHeads,
            int textHeadDim,
            int textLen,
            int buckets) {
        private static final Inner USUAL =
                new Inner(32, 16, List.of(1, 2, 4, 4), List.of(false, true, true), 2, 2, 8, 16, 32);

        public Inner {
            dimMult = List.copyOf(dimMult);
            temporalDown = List.copyOf(temporalDown);
        }
    }

    private static final String[] WORDS = {
        "a", "the", "red", "green", "blue", "ball", "square", "moves", "left", "right", "on", "grey"
    };
    private static final JsonMapper JSON = JsonMapper.builder().build();

    /** With the usual inner sizes. */
    public RandomModel(
            int layers,
            int heads,
            int headDim,
            int ffnDim,
            int textDim,
            int vaeBase,
            int resBlocks,
            int width,
            int height,
            int framesPerChunk,
            int windowFrames,
            int sinkFrames,
            int steps,
            int shards,
            DType type) {
        this(
                layers,
                heads,
                headDim,
                ffnDim,
                textDim,
                vaeBase,
                resBlocks,
                width,
                height,
                framesPerChunk,
                windowFrames,
                sinkFrames,
                steps,
                shards,
                type,
                Inner.USUAL);
    }

    /**
     * The smallest that still has every part: 32 x 32 pixels, two layers, a window of three chunks.
     */
    public static RandomModel tiny() {
        return new RandomModel(2, 2, 12, 32, 16, 4, 1, 32, 32, 3, 9, 3, 2, 2, DType.F32);
    }

    /** The same with weights of another type. */
    public RandomModel as(DType other) {
        return new RandomModel(
                layers,
                heads,
                headDim,
                ffnDim,
                textDim,
                vaeBase,
                resBlocks,
                width,
                height,
                framesPerChunk,
                windowFrames,
                sinkFrames,
                steps,
                shards,
                other,
                inner);
    }

    /** Writes the folder; the same {@code seed} gives the same weights. */
    public void write(Path folder, long seed) throws IOException {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        for (String part :
                List.of("transformer", "vae", "text_encoder", "tokenizer", "scheduler")) {
            Files.createDirectories(folder.resolve(part));
        }
        writeJson(folder.resolve("model_index.json"), index());
        writeJson(folder.resolve("reelfleet.json"), settings());
        writeJson(
                folder.resolve("scheduler/scheduler_config.json"),
                JSON.createObjectNode()
                        .put("_class_name", "FlowMatchEulerDiscreteScheduler")
                        .put("num_train_timesteps", 1000)
                        .put("shift", 5.0));
        writeJson(folder.resolve("tokenizer/tokenizer.json"), tokenizer());
        writeJson(folder.resolve("transformer/config.json"), transformerConfig());
        writeShards(folder.resolve("transformer"), new Drawn(random).transformer());
        writeJson(folder.resolve("vae/config.json"), vaeConfig());
        SafetensorsWriter.write(
                folder.resolve("vae/diffusion_pytorch_model.safetensors"),
                new Drawn(random).vae(),
                type);
        writeJson(folder.resolve("text_encoder/config.json"), textConfig());
        SafetensorsWriter.write(
                folder.resolve("text_encoder/model.safetensors"), new Drawn(random).text(), type);
    }

    private static void writeJson(Path path, ObjectNode node) throws IOException {
        Files.writeString(path, node.toPrettyString());
    }

    private void writeShards(Path folder, List<Named> tensors) throws IOException {
        ObjectNode index = JSON.createObjectNode();
        ObjectNode map = index.putObject("weight_map");
        int perShard = Math.ceilDiv(tensors.size(), shards);
        for (int shard = 0; shard < shards; shard++) {
            List<Named> part =
                    tensors.subList(
                            Math.min(shard * perShard, tensors.size()),
                            Math.min((shard + 1) * perShard, tensors.size()));
            String name =
                    String.format(
                            "diffusion_pytorch_model-%05d-of-%05d.safetensors", shard + 1, shards);
            part.forEach(tensor -> map.put(tensor.name(), name));
            SafetensorsWriter.write(folder.resolve(name), part, type);
        }
        writeJson(folder.resolve("diffusion_pytorch_model.safetensors.index.json"), index);
    }

    private static ObjectNode index() {
        ObjectNode node = JSON.createObjectNode().put("_class_name", "WanPipeline");
        node.putArray("transformer").add("diffusers").add("WanTransformer3DModel");
        node.putArray("vae").add("diffusers").add("AutoencoderKLWan");
        node.putArray("text_encoder").add("transformers").add("UMT5EncoderModel");
        node.putArray("tokenizer").add("transformers").add("T5TokenizerFast");
        node.putArray("scheduler").add("diffusers").add("FlowMatchEulerDiscreteScheduler");
        return node;
    }

    private ObjectNode settings() {
        FewStepSchedule schedule = FewStepSchedule.shifted(steps, 5);
        ObjectNode node =
                JSON.createObjectNode()
                        .put("name", "random")
                        .put("width", width)
                        .put("height", height)
                        .put("fps", 16)
                        .put("frames_per_chunk", framesPerChunk)
                        .put("window_frames", windowFrames)
                        .put("sink_frames", sinkFrames)
                        .put("text_len", inner.textLen())
                        .put("max_prompt_tokens", inner.textLen());
        var timesteps = node.putArray("timesteps");
        var sigmas = node.putArray("sigmas");
        for (int i = 0; i < steps; i++) {
            timesteps.add(schedule.timesteps()[i]);
            sigmas.add(schedule.sigmas()[i]);
        }
        node.putArray("controls").add("prompt").add("reference");
        return node;
    }

    private static ObjectNode tokenizer() {
        ObjectNode node = JSON.createObjectNode().put("version", "1.0");
        node.putNull("truncation").putNull("padding");
        var added = node.putArray("added_tokens");
        String[] special = {"<pad>", "</s>", "<unk>"};
        for (int i = 0; i < special.length; i++) {
            added.addObject()
                    .put("id", i)
                    .put("content", special[i])
                    .put("single_word", false)
                    .put("lstrip", false)
                    .put("rstrip", false)
                    .put("normalized", false)
                    .put("special", true);
        }
        node.putObject("normalizer").put("type", "Lowercase");
        node.putObject("pre_tokenizer").put("type", "Whitespace");
        ObjectNode post = node.putObject("post_processor").put("type", "TemplateProcessing");
        for (String side : List.of("single", "pair")) {
            var parts = post.putArray(side);
            parts.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
            if (side.equals("pair")) {
                parts.addObject().putObject("Sequence").put("id", "B").put("type_id", 0);
            }
            parts.addObject().putObject("SpecialToken").put("id", "</s>").put("type_id", 0);
        }
        ObjectNode end = post.putObject("special_tokens").putObject("</s>").put("id", "</s>");
        end.putArray("ids").add(1);
        end.putArray("tokens").add("</s>");
        node.putNull("decoder");
        ObjectNode model = node.putObject("model").put("type", "WordLevel");
        ObjectNode vocabulary = model.putObject("vocab");
        for (int i = 0; i < special.length; i++) {
            vocabulary.put(special[i], i);
        }
        for (int i = 0; i < WORDS.length; i++) {
            vocabulary.put(WORDS[i], special.length + i);
        }
        model.put("unk_token", "<unk>");
        return node;
    }

    private ObjectNode transformerConfig() {
        ObjectNode node =
                JSON.createObjectNode()
                        .put("_class_name", "WanTransformer3DModel")
                        .put("attention_head_dim", headDim)
                        .put("cross_attn_norm", true)
                        .put("eps", 1e-6)
                        .put("ffn_dim", ffnDim)
                        .put("freq_dim", inner.freqDim())
                        .put("in_channels", inner.latentChannels())
                        .put("num_attention_heads", heads)
                        .put("num_layers", layers)
                        .put("out_channels", inner.latentChannels())
                        .put("qk_norm", "rms_norm_across_heads")
                        .put("text_dim", textDim);
        node.putNull("image_dim").putNull("added_kv_proj_dim");
        node.putArray("patch_size").add(1).add(2).add(2);
        return node;
    }

    private ObjectNode vaeConfig() {
        ObjectNode node =
                JSON.createObjectNode()
                        .put("_class_name", "AutoencoderKLWan")
                        .put("base_dim", vaeBase)
                        .put("num_res_blocks", resBlocks)
                        .put("z_dim", inner.latentChannels());
        var mult = node.putArray("dim_mult");
        for (int each : inner.dimMult()) {
            mult.add(each);
        }
        var flags = node.putArray("temperal_downsample");
        inner.temporalDown().forEach(flags::add);
        var mean = node.putArray("latents_mean");
        var std = node.putArray("latents_std");
        for (int i = 0; i < inner.latentChannels(); i++) {
            mean.add(0.0);
            std.add(1.0);
        }
        return node;
    }

    private ObjectNode textConfig() {
        return JSON.createObjectNode()
                .put("model_type", "umt5")
                .put("d_ff", 2 * textDim)
                .put("d_kv", inner.textHeadDim())
                .put("d_model", textDim)
                .put("feed_forward_proj", "gated-gelu")
                .put("layer_norm_epsilon", 1e-6)
                .put("num_heads", inner.textHeads())
                .put("num_layers", inner.textLayers())
                .put("relative_attention_max_distance", 128)
                .put("relative_attention_num_buckets", inner.buckets())
                .put("vocab_size", 3 + WORDS.length);
    }

    /** Draws the tensors of one component in order. */
    private final class Drawn {
        private final RandomGenerator random;
        private final List<Named> tensors = new ArrayList<>();

        Drawn(RandomGenerator random) {
            this.random = random;
        }

        private void add(String name, double centre, double spread, long... shape) {
            int count = 1;
            for (long size : shape) {
                count = Math.multiplyExact(count, Math.toIntExact(size));
            }
            float[] values = new float[count];
            for (int i = 0; i < count; i++) {
                values[i] = (float) (centre + spread * random.nextGaussian());
            }
            tensors.add(new Named(name, shape, values));
        }

        private void matrix(String name, long in, long out) {
            add(name + ".weight", 0, 1 / Math.sqrt(in), out, in);
        }

        private void linear(String name, long in, long out) {
            matrix(name, in, out);
            add(name + ".bias", 0, 0.02, out);
        }

        private void conv(String name, long out, long... kernel) {
            long[] shape = new long[kernel.length + 1];
            shape[0] = out;
            double fan = 1;
            for (int i = 0; i < kernel.length; i++) {
                shape[i + 1] = kernel[i];
                fan *= kernel[i];
            }
            add(name + ".weight", 0, 1 / Math.sqrt(fan), shape);
            add(name + ".bias", 0, 0.02, out);
        }

        List<Named> transformer() {
            long dim = (long) heads * headDim;
            conv("patch_embedding", dim, inner.latentChannels(), 1, 2, 2);
            linear("condition_embedder.time_embedder.linear_1", inner.freqDim(), dim);
            linear("condition_embedder.time_embedder.linear_2", dim, dim);
            linear("condition_embedder.time_proj", dim, 6 * dim);
            linear("condition_embedder.text_embedder.linear_1", textDim, dim);
            linear("condition_embedder.text_embedder.linear_2", dim, dim);
            for (int i = 0; i < layers; i++) {
                String block = "blocks." + i + ".";
                for (String attention : List.of("attn1.", "attn2.")) {
                    for (String part : List.of("to_q", "to_k", "to_v", "to_out.0")) {
                        linear(block + attention + part, dim, dim);
                    }
                    add(block + attention + "norm_q.weight", 1, 0.1, dim);
                    add(block + attention + "norm_k.weight", 1, 0.1, dim);
                }
                add(block + "norm2.weight", 1, 0.1, dim);
                add(block + "norm2.bias", 0, 0.1, dim);
                linear(block + "ffn.net.0.proj", dim, ffnDim);
                linear(block + "ffn.net.2", ffnDim, dim);
                add(block + "scale_shift_table", 0, 0.3, 1, 6, dim);
            }
            linear("proj_out", dim, 4L * inner.latentChannels());
            add("scale_shift_table", 0, 0.3, 1, 2, dim);
            return tensors;
        }

        private void encoder() {
            conv("encoder.conv_in", vaeBase, 3, 3, 3, 3);
            long in = vaeBase;
            int block = 0;
            for (int level = 0; level < 4; level++) {
                long out = (long) vaeBase * inner.dimMult().get(level);
                for (int i = 0; i < resBlocks; i++) {
                    residual("encoder.down_blocks." + block++, in, out);
                    in = out;
                }
                if (level < 3) {
                    String down = "encoder.down_blocks." + block++;
                    conv(down + ".resample.1", out, out, 3, 3);
                    if (inner.temporalDown().get(level)) {
                        conv(down + ".time_conv", out, out, 3, 1, 1);
                    }
                }
            }
            middle("encoder.mid_block", in);
            add("encoder.norm_out.gamma", 1, 0.1, in, 1, 1, 1);
            conv("encoder.conv_out", 2L * inner.latentChannels(), in, 3, 3, 3);
            conv("quant_conv", 2L * inner.latentChannels(), 2L * inner.latentChannels(), 1, 1, 1);
        }

        private void middle(String name, long channels) {
            residual(name + ".resnets.0", channels, channels);
            add(name + ".attentions.0.norm.gamma", 1, 0.1, channels, 1, 1);
            conv(name + ".attentions.0.to_qkv", 3 * channels, channels, 1, 1);
            conv(name + ".attentions.0.proj", channels, channels, 1, 1);
            residual(name + ".resnets.1", channels, channels);
        }

        private void residual(String name, long in, long out) {
            add(name + ".norm1.gamma", 1, 0.1, in, 1, 1, 1);
            conv(name + ".conv1", out, in, 3, 3, 3);
            add(name + ".norm2.gamma", 1, 0.1, out, 1, 1, 1);
            conv(name + ".conv2", out, out, 3, 3, 3);
            if (in != out) {
                conv(name + ".conv_shortcut", out, in, 1, 1, 1);
            }
        }

        List<Named> vae() {
            encoder();
            conv("post_quant_conv", inner.latentChannels(), inner.latentChannels(), 1, 1, 1);
            long deepest = (long) vaeBase * inner.dimMult().get(3);
            conv("decoder.conv_in", deepest, inner.latentChannels(), 3, 3, 3);
            middle("decoder.mid_block", deepest);
            long in = deepest;
            for (int level = 0; level < 4; level++) {
                long out = (long) vaeBase * inner.dimMult().get(3 - level);
                String block = "decoder.up_blocks." + level + ".";
                for (int i = 0; i <= resBlocks; i++) {
                    residual(block + "resnets." + i, i == 0 ? in : out, out);
                }
                if (level < 3) {
                    if (inner.temporalDown().get(2 - level)) {
                        conv(block + "upsamplers.0.time_conv", 2 * out, out, 3, 1, 1);
                    }
                    conv(block + "upsamplers.0.resample.1", out / 2, out, 3, 3);
                    in = out / 2;
                }
            }
            long last = (long) vaeBase * inner.dimMult().getFirst();
            add("decoder.norm_out.gamma", 1, 0.1, last, 1, 1, 1);
            conv("decoder.conv_out", 3, last, 3, 3, 3);
            return tensors;
        }

        List<Named> text() {
            add("shared.weight", 0, 1, 3 + WORDS.length, textDim);
            long width = (long) inner.textHeads() * inner.textHeadDim();
            for (int i = 0; i < inner.textLayers(); i++) {
                String block = "encoder.block." + i + ".layer.";
                add(block + "0.layer_norm.weight", 1, 0.1, textDim);
                String attention = block + "0.SelfAttention.";
                for (String part : List.of("q", "k", "v")) {
                    matrix(attention + part, textDim, width);
                }
                matrix(attention + "o", width, textDim);
                add(
                        attention + "relative_attention_bias.weight",
                        0,
                        0.3,
                        inner.buckets(),
                        inner.textHeads());
                add(block + "1.layer_norm.weight", 1, 0.1, textDim);
                String feed = block + "1.DenseReluDense.";
                matrix(feed + "wi_0", textDim, 2L * textDim);
                matrix(feed + "wi_1", textDim, 2L * textDim);
                matrix(feed + "wo", 2L * textDim, textDim);
            }
            add("encoder.final_layer_norm.weight", 1, 0.1, textDim);
            return tensors;
        }
    }
}
