/** Sessions without a model, for tests of what is served from their logs. */
package io.reelfleet.gateway.testing;
