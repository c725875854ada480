/** Writes HLS media playlists (RFC 8216bis) from what a session's log holds. */
package io.reelfleet.gateway.hls;
