package io.reelfleet.engine;

import java.util.List;
import java.util.Objects;

/**
 * Where a session stands: what belongs to its state and is no tensor.
 *
 * @param seed key of its noise
 * @param chunk the chunk in the making, or the next one
 * @param step denoising steps taken of the chunk in the making
 * @param midChunk whether a chunk is in the making
 * @param decoderStarted whether a frame was decoded before
 * @param promptInForce prompt whose keys and values are in the state; empty before the first chunk
 * @param pendingPrompt prompt for the next chunk that starts; empty when it stays
 * @param cachedFrames numbers of the latent frames in the KV cache, rising
 */
public record StatePosition(
        long seed,
        long chunk,
        int step,
        boolean midChunk,
        boolean decoderStarted,
        String promptInForce,
        String pendingPrompt,
        List<Long> cachedFrames) {
    public StatePosition {
        Objects.requireNonNull(promptInForce, "promptInForce");
        Objects.requireNonNull(pendingPrompt, "pendingPrompt");
        cachedFrames = List.copyOf(cachedFrames);
    }
}
