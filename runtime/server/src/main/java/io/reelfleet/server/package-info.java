/** The runtime pod: one process that owns one GPU and generates the sessions admitted to it. */
package io.reelfleet.server;
