/**
 * Files of weights: safetensors, their index and the JSON configurations beside them, read with
 * bounds.
 */
package io.reelfleet.engine.weights;
