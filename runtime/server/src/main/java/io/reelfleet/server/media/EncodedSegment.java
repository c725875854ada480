package io.reelfleet.server.media;

/**
 * One chunk as fragmented MP4.
 *
 * @param codec RFC 6381 name, such as {@code avc1.42c01e}
 * @param init ftyp and moov; equal for all chunks of one size, frame rate and encoder
 * @param fragment moof and mdat
 */
public record EncodedSegment(String codec, byte[] init, byte[] fragment) {}
