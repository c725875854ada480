/**
 * Container images of the operator, the worker and the gateway as archives, built without Docker
 * and without a registry.
 */
package io.reelfleet.images;
