package io.reelfleet.operator.fleet;

/**
 * One type of GPU in a pool.
 *
 * @param name as workers call it
 * @param workers how many there are
 * @param capacity most ordinary sessions one of them is given at once
 * @param latencyS mean chunk latency of a worker that serves so many, seconds; 0 while none has
 */
public record GpuView(String name, int workers, int capacity, double latencyS) {}
