/**
 * State of sessions on the device: pages of keys and values, the limit on them, and which frames
 * stay.
 */
package io.reelfleet.engine.cache;
