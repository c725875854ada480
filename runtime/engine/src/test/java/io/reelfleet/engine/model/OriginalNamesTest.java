package io.reelfleet.engine.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OriginalNamesTest {
    @ParameterizedTest
    @CsvSource({
        "patch_embedding.weight, patch_embedding.weight",
        "text_embedding.2.bias, condition_embedder.text_embedder.linear_2.bias",
        "time_embedding.0.weight, condition_embedder.time_embedder.linear_1.weight",
        "time_projection.1.weight, condition_embedder.time_proj.weight",
        "head.head.bias, proj_out.bias",
        "head.modulation, scale_shift_table",
        "blocks.12.modulation, blocks.12.scale_shift_table",
        "blocks.3.self_attn.q.weight, blocks.3.attn1.to_q.weight",
        "blocks.3.self_attn.norm_k.weight, blocks.3.attn1.norm_k.weight",
        "blocks.3.cross_attn.o.bias, blocks.3.attn2.to_out.0.bias",
        "blocks.3.ffn.0.weight, blocks.3.ffn.net.0.proj.weight",
        "blocks.3.ffn.2.bias, blocks.3.ffn.net.2.bias",
        "blocks.3.norm3.weight, blocks.3.norm2.weight"
    })
    void becomeThePublishedOnes(String original, String published) {
        assertThat(OriginalNames.published(original)).isEqualTo(published);
    }
}
