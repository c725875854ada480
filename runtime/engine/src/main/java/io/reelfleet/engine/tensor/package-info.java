/**
 * The few habits with LibTorch tensors that everything else here shares: scopes, constants, copies.
 */
package io.reelfleet.engine.tensor;
