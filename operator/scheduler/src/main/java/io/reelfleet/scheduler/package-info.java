/** The decision core: pure functions from a snapshot of the fleet to a plan. No I/O, no clock. */
package io.reelfleet.scheduler;
