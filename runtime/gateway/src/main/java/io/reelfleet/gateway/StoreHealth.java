package io.reelfleet.gateway;

import io.reelfleet.migration.ChunkStore;
import io.reelfleet.migration.StoreException;
import jakarta.inject.Singleton;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/** Ready while the chunk store answers. */
@Readiness
@Singleton
class StoreHealth implements HealthCheck {
    private final ChunkStore store;

    StoreHealth(ChunkStore store) {
        this.store = store;
    }

    @Override
    public HealthCheckResponse call() {
        try {
            // A log that nobody has: one look-up.
            store.read("sessions/readiness/log/0000000000");
            return HealthCheckResponse.up("chunk store");
        } catch (StoreException e) {
            return HealthCheckResponse.named("chunk store")
                    .down()
                    .withData("problem", e.getMessage())
                    .build();
        }
    }
}
