package io.reelfleet.engine.model;

import io.reelfleet.engine.ModelException;
import io.reelfleet.engine.weights.Json;
import java.nio.file.Path;
import java.util.List;

/**
 * Sizes of the VAE, from {@code vae/config.json}.
 *
 * @param baseDim channels of the decoder at full resolution
 * @param encoderBaseDim channels of the encoder at full resolution
 * @param dimMult channels of each level, in multiples of {@code baseDim}, from full resolution down
 * @param resBlocks residual blocks per level (the decoder has one more)
 * @param temporalUp whether each upsampling of the decoder, from the deepest, doubles the frames
 *     too
 * @param channels latent channels
 * @param mean of the latents, per channel
 * @param std of the latents, per channel
 */
public record VaeConfig(
        int baseDim,
        int encoderBaseDim,
        int[] dimMult,
        int resBlocks,
        boolean[] temporalUp,
        int channels,
        float[] mean,
        float[] std) {
    /** Video pixels per latent pixel, both ways. */
    public static final int SPATIAL = 8;

    /** Reads and checks {@code path}. */
    public static VaeConfig read(Path path) throws ModelException {
        Json json = Json.read(path);
        if (!json.text("_class_name", "AutoencoderKLWan").equals("AutoencoderKLWan")) {
            throw json.wrong("_class_name", "AutoencoderKLWan");
        }
        if (json.flag("is_residual", false)) {
            throw json.wrong("is_residual", "false: Wan2.2's residual VAE is not supported");
        }
        if (json.has("patch_size")) {
            throw json.wrong("patch_size", "null");
        }
        if (json.get("attn_scales").size() > 0) {
            throw json.wrong("attn_scales", "[]");
        }
        for (String field : List.of("in_channels", "out_channels")) {
            if (json.integer(field, 1, 1024, 3) != 3) {
                throw json.wrong(field, "3");
            }
        }
        int channels = json.integer("z_dim", 1, 4096);
        int encoderBaseDim = json.integer("base_dim", 1, 4096);
        int baseDim = json.integer("decoder_base_dim", 1, 4096, encoderBaseDim);
        double[] mult = numbers(json, "dim_mult", 4);
        int[] dimMult = new int[4];
        for (int i = 0; i < 4; i++) {
            dimMult[i] = (int) mult[i];
            if (dimMult[i] != mult[i] || dimMult[i] < 1 || dimMult[i] > 64) {
                throw json.wrong("dim_mult", "four whole numbers from 1 to 64");
            }
        }
        boolean[] temporalUp = {true, true, false};
        if (json.has("temperal_downsample")) {
            var node = json.get("temperal_downsample");
            int count = 0;
            boolean flags = node.isArray() && node.size() == 3;
            for (int i = 0; flags && i < 3; i++) {
                flags = node.get(i).isBoolean();
                temporalUp[2 - i] = node.get(i).asBoolean();
                count += temporalUp[2 - i] ? 1 : 0;
            }
            if (!flags || count != 2) {
                throw json.wrong("temperal_downsample", "three flags, two of them true");
            }
        }
        float[] mean = floats(json, "latents_mean", channels);
        float[] std = floats(json, "latents_std", channels);
        for (int i = 0; i < channels; i++) {
            if (!(std[i] > 0)) {
                throw json.wrong("latents_std", "a list of numbers greater than 0");
            }
        }
        return new VaeConfig(
                baseDim,
                encoderBaseDim,
                dimMult,
                json.integer("num_res_blocks", 1, 64),
                temporalUp,
                channels,
                mean,
                std);
    }

    private static double[] numbers(Json json, String field, int count) throws ModelException {
        double[] numbers = json.numbers(field);
        if (numbers == null || numbers.length != count) {
            throw json.wrong(field, "a list of " + count + " numbers");
        }
        return numbers;
    }

    private static float[] floats(Json json, String field, int count) throws ModelException {
        double[] values = numbers(json, field, count);
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) values[i];
            if (!Float.isFinite(floats[i])) {
                throw json.wrong(field, "numbers that float32 can hold");
            }
        }
        return floats;
    }
}
