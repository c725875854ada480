package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.weights.Json;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Sizes of the transformer, from {@code transformer/config.json}.
 *
 * @param layers number of blocks
 * @param heads attention heads
 * @param headDim channels of a head
 * @param ffnDim inner channels of the feed-forward part
 * @param freqDim channels of the timestep's sinusoids
 * @param textDim channels of the text encoder's states
 * @param channels latent channels
 * @param crossNorm whether cross-attention has a norm before it
 * @param eps of all norms
 */
public record TransformerConfig(
        int layers,
        int heads,
        int headDim,
        int ffnDim,
        int freqDim,
        int textDim,
        int channels,
        boolean crossNorm,
        double eps) {
    /** Height and width of a patch, in latent pixels. */
    public static final int PATCH = 2;

    /** Channels of a token. */
    public int dim() {
        return heads * headDim;
    }

    /** Reads and checks {@code path}. */
    public static TransformerConfig read(Path path) throws ModelException {
        Json json = Json.read(path);
        String kind = json.text("_class_name", "WanTransformer3DModel");
        if (!kind.equals("WanTransformer3DModel") && !kind.equals("WanModel")) {
            throw json.wrong("_class_name", "WanTransformer3DModel");
        }
        for (String field : new String[] {"image_dim", "added_kv_proj_dim"}) {
            if (json.has(field)) {
                throw json.wrong(field, "null: models with an image encoder are not supported");
            }
        }
        double[] patch = json.numbers("patch_size");
        if (patch != null && !Arrays.equals(patch, new double[] {1, PATCH, PATCH})) {
            throw json.wrong("patch_size", "[1, 2, 2]");
        }
        if (!json.text("qk_norm", "rms_norm_across_heads").equals("rms_norm_across_heads")) {
            throw json.wrong("qk_norm", "\"rms_norm_across_heads\"");
        }
        boolean original = kind.equals("WanModel");
        String in = original ? "in_dim" : "in_channels";
        String out = original ? "out_dim" : "out_channels";
        int channels = json.integer(in, 1, 4096);
        if (json.integer(out, 1, 4096, channels) != channels) {
            throw json.wrong(out, channels + ", as " + in);
        }
        int heads = json.integer(original ? "num_heads" : "num_attention_heads", 1, 1000);
        int headDim = original ? originalHeadDim(json, heads) : headDim(json);
        int freqDim = json.integer("freq_dim", 2, 65_536);
        if (freqDim % 2 != 0) {
            throw json.wrong("freq_dim", "even");
        }
        return new TransformerConfig(
                json.integer("num_layers", 1, 1000),
                heads,
                headDim,
                json.integer("ffn_dim", 1, 1 << 20),
                freqDim,
                original
                        ? json.integer("text_dim", 1, 1 << 20, 4096)
                        : json.integer("text_dim", 1, 1 << 20),
                channels,
                json.flag("cross_attn_norm", true),
                json.positive("eps", 1, 1e-6));
    }

    private static int headDim(Json json) throws ModelException {
        int headDim = json.integer("attention_head_dim", 6, 4096);
        if (headDim % 2 != 0) {
            throw json.wrong("attention_head_dim", "even");
        }
        return headDim;
    }

    /** The original release's configuration gives the channels of all heads together. */
    private static int originalHeadDim(Json json, int heads) throws ModelException {
        int dim = json.integer("dim", 6, 1 << 20);
        if (dim % heads != 0 || dim / heads % 2 != 0 || dim / heads < 6) {
            throw json.wrong("dim", "num_heads times an even number of at least 6");
        }
        if (!json.flag("qk_norm", true)) {
            throw json.wrong("qk_norm", "true");
        }
        String kind = json.text("model_type", "t2v");
        if (!kind.equals("t2v")) {
            throw json.wrong(
                    "model_type", "\"t2v\": models with an image encoder are not supported");
        }
        return dim / heads;
    }
}
