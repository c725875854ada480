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
 * @param pendingSwitch what that does to the cache
 * @param negativePrompt with guidance: what the video should not show
 * @param negativePending whether that comes in force with the next chunk that starts
 * @param rewrites how often the window was made anew
 * @param window of the KV cache
 * @param unguidedWindow with guidance: of the one without the prompt
 */
public record StatePosition(
        long seed,
        long chunk,
        int step,
        boolean midChunk,
        boolean decoderStarted,
        String promptInForce,
        String pendingPrompt,
        PromptSwitch pendingSwitch,
        String negativePrompt,
        boolean negativePending,
        long rewrites,
        Window window,
        Window unguidedWindow) {
    public StatePosition {
        Objects.requireNonNull(promptInForce, "promptInForce");
        Objects.requireNonNull(pendingPrompt, "pendingPrompt");
        Objects.requireNonNull(pendingSwitch, "pendingSwitch");
        Objects.requireNonNull(negativePrompt, "negativePrompt");
    }

    /**
     * Latent frames in a KV cache.
     *
     * @param cached their numbers, rising
     * @param retrieved those of them that had left and were brought back for the chunk in the
     *     making, rising
     */
    public record Window(List<Long> cached, List<Long> retrieved) {
        /** None. */
        public static final Window NONE = new Window(List.of(), List.of());

        public Window {
            cached = List.copyOf(cached);
            retrieved = List.copyOf(retrieved);
        }
    }
}
