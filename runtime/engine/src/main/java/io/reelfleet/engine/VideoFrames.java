package io.reelfleet.engine;

/**
 * Decoded video frames.
 *
 * @param width in pixels
 * @param height in pixels
 * @param count number of frames
 * @param rgb RGB24, row after row, frame after frame
 */
public record VideoFrames(int width, int height, int count, byte[] rgb) {}
