/**
 * How a part of Reelfleet becomes a process: what is looked at before anything starts, the port and
 * its certificate, how others find it, and when it ends.
 */
package io.reelfleet.process;
