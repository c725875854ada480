/**
 * The operator's Kubernetes side: thin reconcilers that post to the fleet loop and mirror its view
 * into status.
 */
package io.reelfleet.operator.kubernetes;
