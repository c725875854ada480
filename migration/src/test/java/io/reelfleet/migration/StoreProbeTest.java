package io.reelfleet.migration;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class StoreProbeTest {

    @Test
    void aStoreOnWhichTheSecondCreateSucceedsIsUnsafe() {
        ChunkStore overwriting =
                new MemoryStore() {
                    @Override
                    public boolean createIfAbsent(String key, byte[] bytes) {
                        put(key, bytes);
                        return true;
                    }
                };

        assertThatThrownBy(() -> StoreProbe.check(overwriting))
                .isInstanceOf(StoreUnsafeException.class)
                .hasMessageContaining("memory:")
                .hasMessageContaining("two workers could own one session");
    }

    @Test
    void aStoreThatDeniesTheSecondCreateButTakesItsBytesIsUnsafe() {
        ChunkStore lying =
                new MemoryStore() {
                    @Override
                    public boolean createIfAbsent(String key, byte[] bytes) {
                        boolean absent = read(key).isEmpty();
                        put(key, bytes);
                        return absent;
                    }
                };

        assertThatThrownBy(() -> StoreProbe.check(lying)).isInstanceOf(StoreUnsafeException.class);
    }
}
