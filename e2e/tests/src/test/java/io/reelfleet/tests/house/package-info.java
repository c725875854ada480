/**
 * The house rules of the code itself: who may know whom, and that every package says what it is.
 */
package io.reelfleet.tests.house;
