package io.reelfleet.operator.workers;

import io.reelfleet.crds.GPUPoolSpec;
import java.util.List;

/**
 * Where workers come from. Every method may block and is called off the fleet loop; every one may
 * be repeated. Implementations keep no list of their own that a restart would lose: {@link #list}
 * asks the world.
 */
public interface WorkerProvider {

    /**
     * Starts a worker. A second call with the same name does nothing.
     *
     * @throws WorkerStartException when it cannot be started, with a sentence for the pool's owner
     */
    void start(WorkerLaunch launch) throws WorkerStartException;

    /**
     * Ends a worker: asks it to stop, then makes it. Nothing happens when it is gone.
     *
     * @param pool {@code namespace/name}
     */
    void stop(String pool, String worker);

    /**
     * The pool's workers that exist now, whether they can be reached yet or not. One that is not
     * listed is gone: it runs no longer and will not again.
     *
     * @param pool {@code namespace/name}
     */
    List<ProvidedWorker> list(String pool);

    /**
     * The image that a worker would be started with now; empty where workers have none.
     *
     * @param spec of the pool
     */
    default String image(GPUPoolSpec spec) {
        return "";
    }

    /** Says which workers hold sessions, for providers that protect those from eviction. */
    default void occupied(String pool, String worker, boolean occupied) {}

    /**
     * Why the newest worker that ended by itself did so, if the provider can tell; null otherwise.
     */
    default String lastWords(String pool, String worker) {
        return null;
    }
}
