package io.reelfleet.engine;

/**
 * What a store keeps of a chunk and a rebuild needs.
 *
 * @param chunk its number, from 0
 * @param latents its clean latents
 * @param prompt the prompt that was in force while it was generated
 */
public record StoredChunk(long chunk, LatentTensor latents, String prompt) {}
