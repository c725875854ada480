/** The operator as a process: with an API server, and without one. */
package io.reelfleet.operator;
