package io.reelfleet.engine.tensor;

import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Of weights, activations, KV pages and the decoder's cache. Latents, noise and the schedule are
 * float32 whatever this is; sums of norms and of the softmax run in float32 too.
 */
public enum Precision {
    FP32(Float.BYTES, ScalarType.Float, "F32"),
    BF16(2, ScalarType.BFloat16, "BF16");

    private final int bytes;
    private final ScalarType type;
    private final String dtype;

    Precision(int bytes, ScalarType type, String dtype) {
        this.bytes = bytes;
        this.type = type;
        this.dtype = dtype;
    }

    /** Bytes of a number. */
    public int bytes() {
        return bytes;
    }

    /** LibTorch's name for it. */
    public ScalarType type() {
        return type;
    }

    /** What safetensors and state records call it. */
    public String dtype() {
        return dtype;
    }

    /** What safetensors and state records call numbers of this type. */
    public static String dtypeOf(ScalarType type) {
        for (Precision each : values()) {
            if (each.type == type) {
                return each.dtype;
            }
        }
        throw new IllegalArgumentException("no state has numbers of type " + type);
    }

    /** As it is written in settings. */
    public String setting() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** The precision that a setting names. */
    public static Precision of(String setting, String text) {
        for (Precision each : values()) {
            if (each.setting().equals(text)) {
                return each;
            }
        }
        throw new IllegalArgumentException(
                "%s is '%s': write fp32 or bf16".formatted(setting, text));
    }
}
