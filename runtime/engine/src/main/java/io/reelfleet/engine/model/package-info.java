/** The networks: transformer, decoder, text encoder and the schedule that drives them. */
package io.reelfleet.engine.model;
