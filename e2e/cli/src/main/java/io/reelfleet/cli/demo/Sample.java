package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.Pool;

/**
 * What the operator said about the pool at one moment.
 *
 * @param at seconds since the sessions began to come
 * @param active sessions that want chunks and have a worker
 * @param queued sessions that want chunks and wait for a worker
 * @param suspended sessions whose state is off the device
 * @param workersReady workers that take sessions
 * @param workersWanted as the policy has it
 * @param chunksGenerated since the fleet started
 * @param chunksLate since the fleet started
 */
record Sample(
        double at,
        int active,
        int queued,
        int suspended,
        int workersReady,
        int workersWanted,
        long chunksGenerated,
        long chunksLate) {
    static Sample of(double at, Pool pool) {
        return new Sample(
                at,
                pool.getSessionsActive(),
                pool.getSessionsQueued(),
                pool.getSessionsSuspended(),
                pool.getWorkersReady(),
                pool.getWorkersWanted(),
                pool.getChunksGenerated(),
                pool.getChunksLate());
    }
}
