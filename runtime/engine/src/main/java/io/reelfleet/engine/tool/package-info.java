/** Programs for people: verify and describe a model folder, profile an engine. */
package io.reelfleet.engine.tool;
