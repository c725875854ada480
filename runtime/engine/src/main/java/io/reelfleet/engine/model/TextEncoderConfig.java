package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.weights.Json;
import java.nio.file.Path;

/**
 * Sizes of the UMT5 encoder, from {@code text_encoder/config.json}.
 *
 * @param layers number of blocks
 * @param heads attention heads
 * @param headDim channels of a head
 * @param dim channels of a state
 * @param ffnDim inner channels of the feed-forward part
 * @param vocabulary number of tokens
 * @param buckets buckets of relative distance
 * @param maxDistance distance from which on all share a bucket
 * @param eps of all norms
 */
public record TextEncoderConfig(
        int layers,
        int heads,
        int headDim,
        int dim,
        int ffnDim,
        int vocabulary,
        int buckets,
        int maxDistance,
        double eps) {
    /** Reads and checks {@code path}. */
    public static TextEncoderConfig read(Path path) throws ModelException {
        Json json = Json.read(path);
        if (!json.text("model_type", "umt5").equals("umt5")) {
            throw json.wrong("model_type", "\"umt5\"");
        }
        if (!json.text("feed_forward_proj", "gated-gelu").equals("gated-gelu")) {
            throw json.wrong("feed_forward_proj", "\"gated-gelu\"");
        }
        int buckets = json.integer("relative_attention_num_buckets", 4, 4096, 32);
        if (buckets % 4 != 0) {
            throw json.wrong("relative_attention_num_buckets", "a multiple of 4");
        }
        return new TextEncoderConfig(
                json.integer("num_layers", 1, 1000),
                json.integer("num_heads", 1, 1000),
                json.integer("d_kv", 1, 4096),
                json.integer("d_model", 1, 1 << 20),
                json.integer("d_ff", 1, 1 << 20),
                json.integer("vocab_size", 1, 1 << 24),
                buckets,
                json.integer("relative_attention_max_distance", buckets, 1 << 20, 128),
                json.positive("layer_norm_epsilon", 1, 1e-6));
    }
}
