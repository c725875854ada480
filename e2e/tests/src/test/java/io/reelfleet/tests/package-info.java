/** Tests of the whole: scenarios, faults, the browser and the cluster. */
package io.reelfleet.tests;
