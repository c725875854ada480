package io.reelfleet.engine;

/**
 * Where RoPE places the frames that a chunk attends to. The cache holds keys before rotation, so
 * this is policy, not state.
 */
public enum KvPositions {
    /**
     * By their number in the session, as the public implementations do; distances to sink frames
     * grow without bound.
     */
    ABSOLUTE,
    /**
     * By their place in the window; equal to {@link #ABSOLUTE} until a frame leaves the window,
     * bounded ever after.
     */
    RELATIVE
}
