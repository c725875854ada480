package io.reelfleet.engine;

/**
 * One finished chunk.
 *
 * @param chunk its number, from 0
 * @param firstLatentFrame number of its first latent frame in the session
 * @param latents clean latents: with the prompt in force they are enough to rebuild the session
 * @param frames decoded frames
 * @param transformerSeconds time spent in the transformer, all denoising steps and the clean pass
 * @param decodeSeconds time spent in the VAE decoder
 */
public record GeneratedChunk(
        long chunk,
        long firstLatentFrame,
        LatentTensor latents,
        VideoFrames frames,
        double transformerSeconds,
        double decodeSeconds) {}
