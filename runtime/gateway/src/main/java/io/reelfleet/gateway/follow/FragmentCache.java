package io.reelfleet.gateway.follow;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Media that was read lately, of all sessions together, bounded by bytes; the least recently used
 * goes first.
 */
final class FragmentCache {
    private final long limitBytes;
    private final Map<Key, Fragment> fragments = new LinkedHashMap<>(256, 0.75f, true);
    private long bytes;

    private record Key(String uid, long chunk) {}

    FragmentCache(long limitBytes) {
        this.limitBytes = limitBytes;
    }

    synchronized Optional<Fragment> get(String uid, long chunk) {
        return Optional.ofNullable(fragments.get(new Key(uid, chunk)));
    }

    synchronized void put(String uid, Fragment fragment) {
        Fragment before = fragments.put(new Key(uid, fragment.chunk()), fragment);
        bytes += fragment.bytes().size() - (before == null ? 0 : before.bytes().size());
        Iterator<Fragment> oldest = fragments.values().iterator();
        while (bytes > limitBytes && oldest.hasNext()) {
            bytes -= oldest.next().bytes().size();
            oldest.remove();
        }
    }

    synchronized long bytes() {
        return bytes;
    }
}
