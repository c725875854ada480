/** Causal video generation on LibTorch: models, KV cache, batching by denoising step, offload. */
package io.reelfleet.engine;
