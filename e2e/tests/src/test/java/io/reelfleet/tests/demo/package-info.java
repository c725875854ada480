/** The demo as people run it. */
package io.reelfleet.tests.demo;
