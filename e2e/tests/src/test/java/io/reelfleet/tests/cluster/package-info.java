/** The chart, and the whole of Reelfleet on a real cluster. */
package io.reelfleet.tests.cluster;
