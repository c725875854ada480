package io.reelfleet.engine.model;

import java.util.Map;

/**
 * Names of transformer weights in the original Wan release, translated to those of the published
 * (diffusers) layout.
 */
public final class OriginalNames {
    private static final Map<String, String> PREFIXES =
            Map.of(
                    "text_embedding.0.", "condition_embedder.text_embedder.linear_1.",
                    "text_embedding.2.", "condition_embedder.text_embedder.linear_2.",
                    "time_embedding.0.", "condition_embedder.time_embedder.linear_1.",
                    "time_embedding.2.", "condition_embedder.time_embedder.linear_2.",
                    "time_projection.1.", "condition_embedder.time_proj.",
                    "head.head.", "proj_out.");

    private OriginalNames() {}

    /** The published name of a tensor; a published name stays as it is. */
    public static String published(String name) {
        for (Map.Entry<String, String> prefix : PREFIXES.entrySet()) {
            if (name.startsWith(prefix.getKey())) {
                return prefix.getValue() + name.substring(prefix.getKey().length());
            }
        }
        if (name.equals("head.modulation")) {
            return "scale_shift_table";
        }
        if (!name.startsWith("blocks.")) {
            return name;
        }
        if (name.endsWith(".modulation")) {
            return name.substring(0, name.length() - "modulation".length()) + "scale_shift_table";
        }
        return name.replace(".self_attn.o.", ".attn1.to_out.0.")
                .replace(".cross_attn.o.", ".attn2.to_out.0.")
                .replaceFirst("\\.self_attn\\.([qkv])\\.", ".attn1.to_$1.")
                .replaceFirst("\\.cross_attn\\.([qkv])\\.", ".attn2.to_$1.")
                .replace(".self_attn.", ".attn1.")
                .replace(".cross_attn.", ".attn2.")
                .replace(".ffn.0.", ".ffn.net.0.proj.")
                .replace(".ffn.2.", ".ffn.net.2.")
                .replace(".norm3.", ".norm2.");
    }
}
