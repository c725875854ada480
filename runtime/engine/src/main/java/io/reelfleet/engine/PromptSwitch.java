package io.reelfleet.engine;

/** What a new prompt does to the frames that are in the window already. */
public enum PromptSwitch {
    /** They stay as they are: the video turns slowly. */
    KEEP_CACHE,
    /**
     * The window's clean latents run once more under the new prompt (LongLive, section 3.2: KV
     * recache), so that nothing in the cache speaks of the old one: the video turns at once and
     * stays continuous.
     */
    REFRESH_CACHE
}
