/** The fleet loop in virtual time. */
package io.reelfleet.operator.fleet;
