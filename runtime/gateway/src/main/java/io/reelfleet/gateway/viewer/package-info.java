/**
 * What a viewer with a token for one session gets: HLS, the whole video as a file, a WebSocket,
 * gRPC, and the session's page.
 */
package io.reelfleet.gateway.viewer;
