/** The operator: reconcilers, one fleet loop per pool, the allocator API. */
package io.reelfleet.operator;
