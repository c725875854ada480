/** Viewers' tokens: signed here, checked by gateways with the public key. */
package io.reelfleet.operator.tokens;
