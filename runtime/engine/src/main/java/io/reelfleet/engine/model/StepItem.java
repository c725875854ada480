package io.reelfleet.engine.model;

import io.reelfleet.engine.cache.KvCache;
import org.bytedeco.pytorch.Tensor;

/**
 * One session's part of a pass through the transformer.
 *
 * @param latents the chunk, {@code [frames, channels, height, width]}
 * @param timestep 0 (clean) to 1000 (noise), the same for all its frames
 * @param cache the session's frames before it, with the chunk begun
 * @param prompt the session's prompt
 * @param writes whether the pass writes the chunk's keys and values into the cache: the pass at t =
 *     0 does
 * @param givenFrames how many of the chunk's first frames are given and clean: they are at timestep
 *     0, whatever the others are at
 */
public record StepItem(
        Tensor latents,
        double timestep,
        KvCache cache,
        CrossContext prompt,
        boolean writes,
        int givenFrames) {
    /** Without given frames. */
    public StepItem(
            Tensor latents, double timestep, KvCache cache, CrossContext prompt, boolean writes) {
        this(latents, timestep, cache, prompt, writes, 0);
    }
}
