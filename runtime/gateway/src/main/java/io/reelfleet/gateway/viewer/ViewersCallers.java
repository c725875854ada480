package io.reelfleet.gateway.viewer;

import io.quarkus.grpc.GlobalInterceptor;
import io.quarkus.vertx.http.runtime.filters.Filters;
import io.reelfleet.process.DepartedCallers;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;

/** Tells this gateway's gRPC methods that their caller has gone. */
@ApplicationScoped
@GlobalInterceptor
public class ViewersCallers extends DepartedCallers {
    void register(@Observes Filters filters) {
        filters.register(this::number, PRIORITY);
    }
}
