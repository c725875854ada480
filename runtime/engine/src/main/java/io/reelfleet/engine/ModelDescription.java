package io.reelfleet.engine;

import java.util.List;

/**
 * What an engine generates.
 *
 * @param name the model's name
 * @param revision SHA-256 over the folder's files, in hex
 * @param width video width in pixels
 * @param height video height in pixels
 * @param fps video frames per second
 * @param framesPerChunk latent frames per chunk
 * @param windowFrames latent frames a chunk attends to, itself and the sink included
 * @param sinkFrames first latent frames of a session that never leave the window
 * @param denoisingSteps denoising steps per chunk; {@link EngineSession#step} runs one more, clean,
 *     pass
 * @param sessionBytes device memory of one session
 * @param controls kinds of control the model understands
 * @param maxPromptTokens longest prompt, in tokens
 */
public record ModelDescription(
        String name,
        String revision,
        int width,
        int height,
        int fps,
        int framesPerChunk,
        int windowFrames,
        int sinkFrames,
        int denoisingSteps,
        long sessionBytes,
        List<String> controls,
        int maxPromptTokens) {
    public ModelDescription {
        controls = List.copyOf(controls);
    }

    /** Video frames of a chunk: a latent frame yields four, the very first only one. */
    public int videoFrames(long chunk) {
        return chunk == 0 ? 4 * framesPerChunk - 3 : 4 * framesPerChunk;
    }

    /** Seconds of video in a chunk after the first: how often a chunk is due. */
    public double chunkIntervalSeconds() {
        return 4.0 * framesPerChunk / fps;
    }
}
