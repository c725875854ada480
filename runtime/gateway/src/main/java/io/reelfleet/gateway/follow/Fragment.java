package io.reelfleet.gateway.follow;

import com.google.protobuf.ByteString;

/**
 * The media of one chunk.
 *
 * @param chunk number in the session, from 0
 * @param init name of the initialisation segment it needs, see {@link ChunkIndex#init}
 * @param bytes moof + mdat
 */
public record Fragment(long chunk, String init, ByteString bytes) {}
