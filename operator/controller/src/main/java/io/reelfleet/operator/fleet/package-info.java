/**
 * The fleet loop: one thread per pool that turns events (wishes, workers' reports, answers, time)
 * into one snapshot, asks the policy and starts the commands that follow. Everybody else posts to
 * its mailbox and reads its immutable view.
 */
package io.reelfleet.operator.fleet;
