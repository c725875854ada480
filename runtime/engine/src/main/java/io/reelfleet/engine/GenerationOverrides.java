package io.reelfleet.engine;

/**
 * Generation settings that replace the model folder's own; null keeps the folder's.
 *
 * @param width video width in pixels
 * @param height video height in pixels
 * @param fps video frames per second
 * @param steps denoising steps per chunk
 * @param windowFrames latent frames a chunk attends to, itself and the sink included
 * @param sinkFrames first latent frames of a session that never leave the window
 * @param positions where RoPE places cached frames
 * @param framesPerChunk latent frames per chunk
 * @param retrievedFrames places of the window for frames that left it; 0 for a rolling window
 * @param bankFrames most frames that left the window and are kept
 */
public record GenerationOverrides(
        Integer width,
        Integer height,
        Integer fps,
        Integer steps,
        Integer windowFrames,
        Integer sinkFrames,
        KvPositions positions,
        Integer framesPerChunk,
        Integer retrievedFrames,
        Integer bankFrames) {
    /** With the model folder's frames per chunk and policy. */
    public GenerationOverrides(
            Integer width,
            Integer height,
            Integer fps,
            Integer steps,
            Integer windowFrames,
            Integer sinkFrames,
            KvPositions positions) {
        this(width, height, fps, steps, windowFrames, sinkFrames, positions, null, null, null);
    }

    /** Keeps everything as the model folder says. */
    public static GenerationOverrides none() {
        return new GenerationOverrides(null, null, null, null, null, null, null);
    }
}
