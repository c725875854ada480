/** The {@code reelfleet} program. */
package io.reelfleet.cli;
