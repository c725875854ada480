/**
 * Real fleets under faults: what is drawn from a seed, what is done to the processes, and the
 * oracle that judges logs and viewers afterwards.
 */
package io.reelfleet.cli.chaos;
