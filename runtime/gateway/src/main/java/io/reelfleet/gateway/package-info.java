/** The stateless front door for viewers; it follows a session through its log, wherever it runs. */
package io.reelfleet.gateway;
