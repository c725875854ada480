/** Both providers under one contract. */
package io.reelfleet.operator.workers;
