package io.reelfleet.operator.kubernetes;

import io.javaoperatorsdk.operator.processing.event.source.IndexerResourceCache;
import io.reelfleet.crds.GPUPool;
import io.reelfleet.crds.VideoSession;
import io.reelfleet.operator.fleet.Fleets;
import io.reelfleet.operator.fleet.PoolView;
import io.reelfleet.operator.fleet.SessionView;
import io.reelfleet.operator.fleet.SessionWish;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What the informers no longer have is released. There are no finalizers, and reconcilers are not
 * told of deletions; so the caches, which are in memory, are held against the loops' views.
 */
@ApplicationScoped
public class Deletions {
    private volatile IndexerResourceCache<GPUPool> pools;
    private volatile IndexerResourceCache<VideoSession> sessions;

    void pools(IndexerResourceCache<GPUPool> cache) {
        pools = cache;
    }

    void sessions(IndexerResourceCache<VideoSession> cache) {
        sessions = cache;
    }

    /** Looks once. The informers must have synced. */
    public void look(Fleets fleets) {
        IndexerResourceCache<GPUPool> poolCache = pools;
        IndexerResourceCache<VideoSession> sessionCache = sessions;
        if (poolCache == null || sessionCache == null) {
            return;
        }
        // Views first: what they have was in a cache before, so that a cache without it has lost
        // it.
        var views = fleets.views();
        Set<String> poolUids =
                poolCache.list().map(p -> p.getMetadata().getUid()).collect(Collectors.toSet());
        Set<String> sessionUids =
                sessionCache.list().map(s -> s.getMetadata().getUid()).collect(Collectors.toSet());
        for (PoolView view : views) {
            if (view.pool().uid() != null && !poolUids.contains(view.pool().uid())) {
                fleets.remove(view.pool().name(), view.pool().uid());
            }
            for (SessionView s : view.sessions().values()) {
                boolean ofObject = s.wish().source() == SessionWish.Source.VIDEO_SESSION;
                if (ofObject && !sessionUids.contains(s.uid())) {
                    fleets.unwant(s.uid(), "Deleted");
                }
            }
        }
    }
}
