/**
 * The allocator: sessions without a VideoSession object, through gRPC and REST, for callers who
 * show a token.
 */
package io.reelfleet.operator.allocator;
