/** The certificate that the gateway shows to workers and operator, and when it may do without. */
package io.reelfleet.gateway.tls;
