package io.reelfleet.operator;

import jakarta.inject.Inject;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;

/** Ready once the operator has been put together; a standby is ready too, since it answers. */
@org.eclipse.microprofile.health.Readiness
public class Readiness implements HealthCheck {
    @Inject Operator operator;

    @Override
    public HealthCheckResponse call() {
        return HealthCheckResponse.named("operator")
                .status(operator.started())
                .withData("leads", operator.leads())
                .build();
    }
}
