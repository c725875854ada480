package io.reelfleet.operator.kubernetes;

import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.inbound.SimpleInboundEventSource;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import jakarta.enterprise.context.ApplicationScoped;

/** Wakes reconcilers when the fleet loop's view of their object is new. */
@ApplicationScoped
public class Wake {
    private final SimpleInboundEventSource<GPUPool> pools =
            new SimpleInboundEventSource<>(GPUPool.class.getSimpleName());
    private final SimpleInboundEventSource<VideoSession> sessions =
            new SimpleInboundEventSource<>(VideoSession.class.getSimpleName());

    SimpleInboundEventSource<GPUPool> pools() {
        return pools;
    }

    SimpleInboundEventSource<VideoSession> sessions() {
        return sessions;
    }

    /** The view of a pool, {@code namespace/name}, is new. */
    public void pool(String name) {
        wake(pools, name.substring(name.indexOf('/') + 1), name.substring(0, name.indexOf('/')));
    }

    /** The view of a session is new. */
    public void session(String namespace, String name) {
        wake(sessions, name, namespace);
    }

    private static void wake(SimpleInboundEventSource<?> source, String name, String namespace) {
        if (source.isRunning()) {
            source.propagateEvent(new ResourceID(name, namespace));
        }
    }
}
