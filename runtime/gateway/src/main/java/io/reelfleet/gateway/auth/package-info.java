/**
 * Who may see what: viewers' tokens, the sign-in of people who run the fleet, and where a browser's
 * request came from.
 */
package io.reelfleet.gateway.auth;
