/**
 * Policies side by side on one trace: {@link io.reelfleet.replay.report.Comparison} runs them,
 * checks them against the lower bounds, and its {@link io.reelfleet.replay.report.Results} become a
 * table, {@code results.json}, {@code report.html} and plots.
 */
package io.reelfleet.replay.report;
