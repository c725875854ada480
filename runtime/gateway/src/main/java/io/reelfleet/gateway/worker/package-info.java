/** Takes viewers' controls and heartbeats to whichever worker owns the session now. */
package io.reelfleet.gateway.worker;
