/** Looks into videos by decoding them. */
package io.reelfleet.tests.video;
