/**
 * What the chart runs before it is uninstalled, so that nothing of the operator's making stays
 * behind.
 */
package io.reelfleet.operator.removal;
