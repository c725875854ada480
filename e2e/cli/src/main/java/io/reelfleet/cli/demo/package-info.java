/**
 * The demo: measures what a worker carries, drives sessions after a trace over a fleet of its own,
 * and writes videos, a report for people and a summary for programs. What it says about chunks it
 * takes from the session logs.
 */
package io.reelfleet.cli.demo;
