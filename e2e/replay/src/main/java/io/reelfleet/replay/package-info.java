/** Session traces: reading, thinning, generating and replaying them in virtual time. */
package io.reelfleet.replay;
