package io.reelfleet.operator.fleet;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;

/** All pools' loops. Any thread may call it. */
public final class Fleets {
    private final BiFunction<PoolDefinition, Long, FleetLoop> loops;
    private final Map<String, Running> pools = new ConcurrentHashMap<>();
    private final Map<String, CompletableFuture<Void>> leaving = new HashMap<>();
    private final Map<String, PoolDefinition> waiting = new HashMap<>();
    private volatile long term;

    private record Running(FleetLoop loop, Thread thread) {}

    /**
     * @param loops makes the loop of a pool for a term
     */
    public Fleets(BiFunction<PoolDefinition, Long, FleetLoop> loops) {
        this.loops = loops;
    }

    /**
     * Begins to lead: loops for these pools, which know these sessions before they look at their
     * workers. Sessions of other pools are returned.
     */
    public List<SessionWish> lead(
            long newTerm, Collection<PoolDefinition> known, Collection<SessionWish> sessions) {
        term = newTerm;
        List<SessionWish> homeless = new ArrayList<>();
        Map<String, FleetLoop> fresh = new java.util.LinkedHashMap<>();
        known.forEach(p -> fresh.put(p.name(), loops.apply(p, newTerm)));
        for (SessionWish s : sessions) {
            FleetLoop loop = fresh.get(s.spec().getPool());
            if (loop == null) {
                homeless.add(s);
            } else {
                loop.want(s);
            }
        }
        fresh.forEach(this::start);
        return homeless;
    }

    private void start(String name, FleetLoop loop) {
        Thread thread = Thread.ofPlatform().daemon().name("fleet-" + name).unstarted(loop::run);
        pools.put(name, new Running(loop, thread));
        thread.start();
    }

    /** The term in which this operator leads; 0 while it does not. */
    public long term() {
        return term;
    }

    /**
     * A pool is wanted like this, new or not. One that takes a deleted one's name begins once that
     * one's workers have been given back, since workers are told apart by their pool's name.
     */
    public synchronized void apply(PoolDefinition pool) {
        Running running = pools.get(pool.name());
        if (running != null && sameObject(running.loop().view().pool(), pool)) {
            running.loop().changed(pool);
            return;
        }
        if (running != null) {
            leave(pool.name());
        }
        CompletableFuture<Void> left = leaving.get(pool.name());
        if (left == null || left.isDone()) {
            leaving.remove(pool.name());
            start(pool.name(), loops.apply(pool, term));
        } else if (waiting.put(pool.name(), pool) == null) {
            left.thenRun(() -> startWaiting(pool.name()));
        }
    }

    private synchronized void startWaiting(String name) {
        leaving.remove(name);
        PoolDefinition pool = waiting.remove(name);
        if (pool != null && !pools.containsKey(name) && term > 0) {
            start(name, loops.apply(pool, term));
        }
    }

    private void leave(String name) {
        leaving.put(name, pools.remove(name).loop().remove());
    }

    private static boolean sameObject(PoolDefinition a, PoolDefinition b) {
        return a.uid() == null || b.uid() == null || a.uid().equals(b.uid());
    }

    /**
     * A pool is gone: its workers are given back.
     *
     * @param uid of the object that is gone; another one of its name stays
     */
    public synchronized void remove(String name, String uid) {
        PoolDefinition next = waiting.get(name);
        if (next != null && next.uid().equals(uid)) {
            waiting.remove(name);
        }
        Running running = pools.get(name);
        if (running != null && uid.equals(running.loop().view().pool().uid())) {
            leave(name);
        }
    }

    /** The names of all pools. */
    public Collection<String> names() {
        return List.copyOf(pools.keySet());
    }

    /** The view of a pool, {@code namespace/name}. */
    public Optional<PoolView> pool(String name) {
        return Optional.ofNullable(pools.get(name)).map(r -> r.loop().view());
    }

    /** The views of all pools, by name. */
    public List<PoolView> views() {
        return pools.values().stream()
                .map(r -> r.loop().view())
                .sorted(java.util.Comparator.comparing(v -> v.pool().name()))
                .toList();
    }

    /** The view of a session. */
    public Optional<SessionView> session(String uid) {
        for (Running r : pools.values()) {
            SessionView v = r.loop().view().sessions().get(uid);
            if (v != null) {
                return Optional.of(v);
            }
        }
        return Optional.empty();
    }

    /** Posts what is wanted of a session to its pool; empty when there is no such pool. */
    public Optional<CompletableFuture<SessionView>> want(SessionWish wish) {
        Running r = pools.get(wish.spec().getPool());
        return r == null ? Optional.empty() : Optional.of(r.loop().want(wish));
    }

    /** Asks a worker of a pool; see {@link FleetLoop#findFork}. */
    public CompletableFuture<String> findFork(
            String pool, String source, long chunk, String namespace) {
        Running r = pools.get(pool);
        return r == null
                ? CompletableFuture.failedFuture(new IllegalStateException("no pool " + pool))
                : r.loop().findFork(source, chunk, namespace);
    }

    /** Posts to every pool that nobody wants the session any longer. */
    public CompletableFuture<Void> unwant(String uid, String reason) {
        return CompletableFuture.allOf(
                pools.values().stream()
                        .map(r -> r.loop().unwant(uid, reason))
                        .toArray(CompletableFuture[]::new));
    }

    /**
     * Posts that somebody wants a session moved; empty when its pool is gone. See {@link
     * FleetLoop#move}.
     */
    public Optional<CompletableFuture<SessionView>> move(SessionView session, String worker) {
        Running r = pools.get(session.wish().spec().getPool());
        return r == null ? Optional.empty() : Optional.of(r.loop().move(session.uid(), worker));
    }

    /** Asks all providers for their workers soon. */
    public void workersChanged(String pool) {
        Running r = pools.get(pool);
        if (r != null) {
            r.loop().workersChanged();
        }
    }

    /** Ends all loops; workers and their sessions stay as they are. */
    public void stop() {
        term = 0;
        pools.values().forEach(r -> r.thread().interrupt());
        for (Running r : pools.values()) {
            try {
                r.thread().join(2_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }
}
