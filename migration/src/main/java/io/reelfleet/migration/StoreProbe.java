package io.reelfleet.migration;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;

/** Shows, before any session is trusted to it, that a store refuses the second create of a key. */
public final class StoreProbe {
    private StoreProbe() {}

    /**
     * Creates a key of its own twice, reads it, and removes it again.
     *
     * @throws StoreUnsafeException when the second create succeeded or its bytes won
     * @throws StoreException when the store cannot be used at all
     */
    public static void check(ChunkStore store) throws StoreException {
        String prefix = "probe/" + UUID.randomUUID() + "/";
        byte[] first = "first".getBytes(StandardCharsets.UTF_8);
        byte[] second = "second".getBytes(StandardCharsets.UTF_8);
        try {
            if (!store.createIfAbsent(prefix + "0", first)) {
                throw new StoreException(
                        "the chunk store %s says that a key exists which nobody created"
                                .formatted(store.location()));
            }
            boolean created = store.createIfAbsent(prefix + "0", second);
            byte[] stored = store.read(prefix + "0").orElse(new byte[0]);
            if (created || !Arrays.equals(stored, first)) {
                throw new StoreUnsafeException(
                        ("the chunk store %s lets a second create of the same key succeed, so two workers could own one"
                                        + " session: use a store that honours exclusive creation (a file system with"
                                        + " hard links, or S3 with If-None-Match)")
                                .formatted(store.location()));
            }
        } finally {
            store.delete(prefix);
        }
    }
}
