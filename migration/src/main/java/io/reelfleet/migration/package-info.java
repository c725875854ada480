/**
 * What keeps a session whole while it moves: its log in the chunk store, the fence against a second
 * owner, and the state that is carried.
 */
package io.reelfleet.migration;
