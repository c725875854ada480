/** Who leads, and the term that fences those who no longer do. */
package io.reelfleet.operator.leadership;
