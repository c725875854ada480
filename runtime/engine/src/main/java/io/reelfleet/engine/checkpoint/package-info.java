/**
 * PyTorch checkpoints ({@code .pt}: a zip with a pickle) read without running anything in them, and
 * turned into model folders.
 */
package io.reelfleet.engine.checkpoint;
