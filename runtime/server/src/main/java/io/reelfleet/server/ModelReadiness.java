package io.reelfleet.server;

import io.reelfleet.server.session.SessionLoop;
import jakarta.inject.Singleton;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/** Ready once the model is loaded; a draining worker still serves the sessions it has. */
@Readiness
@Singleton
class ModelReadiness implements HealthCheck {
    private final Worker worker;

    ModelReadiness(Worker worker) {
        this.worker = worker;
    }

    @Override
    public HealthCheckResponse call() {
        SessionLoop loop = worker.loop();
        boolean ready =
                loop != null
                        && (loop.phase() == SessionLoop.Phase.READY
                                || loop.phase() == SessionLoop.Phase.DRAINING);
        return HealthCheckResponse.named("model")
                .status(ready)
                .withData("phase", loop == null ? "STARTING" : loop.phase().name())
                .withData("message", loop == null ? "" : loop.message())
                .build();
    }
}
