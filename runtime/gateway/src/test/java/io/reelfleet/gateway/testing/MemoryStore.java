package io.reelfleet.gateway.testing;

import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.StoreException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;

/** A chunk store in memory that counts what it is asked, and can be down. */
public final class MemoryStore implements ChunkStore {
    private final ConcurrentSkipListMap<String, byte[]> objects = new ConcurrentSkipListMap<>();
    private final AtomicLong reads = new AtomicLong();
    private volatile boolean down;

    /** Reads so far, of objects that are there. */
    public long reads() {
        return reads.get();
    }

    /** Whether each call fails from now on. */
    public void down(boolean now) {
        down = now;
    }

    private void check() throws StoreException {
        if (down) {
            throw new StoreException("the store is down");
        }
    }

    @Override
    public boolean createIfAbsent(String key, byte[] bytes) throws StoreException {
        check();
        return objects.putIfAbsent(key, bytes) == null;
    }

    @Override
    public Optional<byte[]> read(String key) throws StoreException {
        check();
        byte[] bytes = objects.get(key);
        if (bytes != null) {
            reads.incrementAndGet();
        }
        return Optional.ofNullable(bytes);
    }

    @Override
    public List<String> list(String prefix) throws StoreException {
        check();
        return objects.keySet().stream().filter(key -> key.startsWith(prefix)).toList();
    }

    @Override
    public void delete(String prefix) throws StoreException {
        check();
        objects.keySet().removeIf(key -> key.startsWith(prefix));
    }

    @Override
    public String location() {
        return "memory";
    }
}
