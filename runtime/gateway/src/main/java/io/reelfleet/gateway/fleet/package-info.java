/**
 * The page for people who run the fleet: their sign-in, and the operator's answers passed on to
 * them.
 */
package io.reelfleet.gateway.fleet;
