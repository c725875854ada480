/**
 * Session traces: reading them with bounds, fitting them to a small fleet, and making them from a
 * seed. A {@link io.reelfleet.replay.Timeline} is what drives a fleet, in wall time (the demo) or
 * in virtual time.
 */
package io.reelfleet.replay;
