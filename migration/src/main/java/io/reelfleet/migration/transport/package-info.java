/**
 * Bytes between two workers, in order and in few large buffers: c10d point to point, or objects of
 * the chunk store where two workers cannot reach each other.
 */
package io.reelfleet.migration.transport;
