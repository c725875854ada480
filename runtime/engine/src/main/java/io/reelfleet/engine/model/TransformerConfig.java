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
        int channels = json.integer("in_channels", 1, 4096);
        if (json.integer("out_channels", 1, 4096, channels) != channels) {
            throw json.wrong("out_channels", channels + ", as in_channels");
        }
        int headDim = json.integer("attention_head_dim", 6, 4096);
        if (headDim % 2 != 0) {
            throw json.wrong("attention_head_dim", "even");
        }
        int freqDim = json.integer("freq_dim", 2, 65_536);
        if (freqDim % 2 != 0) {
            throw json.wrong("freq_dim", "even");
        }
        return new TransformerConfig(
                json.integer("num_layers", 1, 1000),
                json.integer("num_attention_heads", 1, 1000),
                headDim,
                json.integer("ffn_dim", 1, 1 << 20),
                freqDim,
                json.integer("text_dim", 1, 1 << 20),
                channels,
                json.flag("cross_attn_norm", true),
                json.positive("eps", 1e-6));
    }
}
