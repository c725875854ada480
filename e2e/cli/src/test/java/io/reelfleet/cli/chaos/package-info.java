/** The oracle and the plans, without a fleet. */
package io.reelfleet.cli.chaos;
