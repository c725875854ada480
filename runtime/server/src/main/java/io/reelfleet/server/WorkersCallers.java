package io.reelfleet.server;

import io.quarkus.grpc.GlobalInterceptor;
import io.quarkus.vertx.http.runtime.filters.Filters;
import io.reelfleet.process.DepartedCallers;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;

/** Tells this worker's gRPC methods that their caller has gone. */
@ApplicationScoped
@GlobalInterceptor
public class WorkersCallers extends DepartedCallers {
    void register(@Observes Filters filters) {
        filters.register(this::number, PRIORITY);
    }
}
