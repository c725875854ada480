/** Where workers come from (processes, pods) and how the operator talks to one. */
package io.reelfleet.operator.workers;
