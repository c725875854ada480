/**
 * What a fleet did, read back: {@link io.reelfleet.replay.production.DecisionRecord} turns the
 * records of the operator (or of a replay) into the sessions that came, and into cost and lateness
 * without the simulator.
 */
package io.reelfleet.replay.production;
