/** A small true worker for tests: it speaks the protocol over gRPC and generates nothing. */
package io.reelfleet.operator.stub;
