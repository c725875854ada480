/**
 * The rivals of DESIGN section 4, behind the interface of the scheduler: a {@link
 * io.reelfleet.replay.rival.Rival} is a way to place sessions and a way to choose how many GPUs
 * there are, as their public documentation describes them. Unlike the project's own policies a
 * rival may remember what its original remembers, so a run needs a fresh one.
 */
package io.reelfleet.replay.rival;
