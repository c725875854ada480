/** What people type and what they are told. */
package io.reelfleet.cli;
