package io.reelfleet.gateway;

import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.ChunkStores;
import io.reelfleet.migration.StoreException;
import io.reelfleet.process.StartupProblem;
import jakarta.enterprise.inject.Disposes;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Singleton;

/** Opens the chunk store that {@code reelfleet.store} names. */
@Singleton
final class ChunkStoreProducer {

    @Produces
    @Singleton
    ChunkStore store(GatewaySettings settings) {
        try {
            return ChunkStores.open(settings.store());
        } catch (StoreException e) {
            throw new StartupProblem(e.getMessage(), e);
        }
    }

    void close(@Disposes ChunkStore store) {
        store.close();
    }
}
