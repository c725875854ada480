/** The decision core: examples by hand, and what must hold for any snapshot. */
package io.reelfleet.scheduler;
