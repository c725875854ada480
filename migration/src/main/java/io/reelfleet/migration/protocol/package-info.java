/**
 * How a session changes its worker while it streams: one pure state machine for source, target and
 * coordinator, which the worker, the operator, the model check and the simulation all run.
 */
package io.reelfleet.migration.protocol;
