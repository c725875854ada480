/**
 * What no policy can undercut: {@link io.reelfleet.replay.bound.LowerBounds} from the count of
 * active sessions over time alone.
 */
package io.reelfleet.replay.bound;
