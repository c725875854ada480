/**
 * Follows session logs in the chunk store for all their viewers at once: one poll per watched
 * session, however many watch it, and a bounded cache of the media they share.
 */
package io.reelfleet.gateway.follow;
