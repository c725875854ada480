/** Tests of the package's behaviour. */
package io.reelfleet.replay.production;
