/**
 * Evictions of workers that have sessions: refused with a sentence, and the worker is emptied at
 * once, so that the eviction passes when it is tried again.
 */
package io.reelfleet.operator.eviction;
