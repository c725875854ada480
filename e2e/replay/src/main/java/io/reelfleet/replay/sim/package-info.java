/**
 * A fleet in virtual time: {@link io.reelfleet.replay.sim.Simulation} drives a {@link
 * io.reelfleet.scheduler.Policy} over a {@link io.reelfleet.replay.sim.Workload} and counts chunks,
 * lateness and GPU-seconds. Between two events nothing about a worker changes, so chunks are
 * counted, not simulated one by one.
 */
package io.reelfleet.replay.sim;
