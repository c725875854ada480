/**
 * Turns a chunk's frames into one closed group of pictures, as fragmented MP4 that any player
 * appends to the fragments before it.
 */
package io.reelfleet.server.media;
