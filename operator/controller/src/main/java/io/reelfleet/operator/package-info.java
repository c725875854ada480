/**
 * The operator as a program: its settings, how its parts are put together, how it starts and ends.
 */
package io.reelfleet.operator;
