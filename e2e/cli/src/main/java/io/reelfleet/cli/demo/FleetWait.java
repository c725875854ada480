package io.reelfleet.cli.demo;

import io.reelfleet.api.allocator.v1.Pool;
import io.reelfleet.cli.Failure;
import io.reelfleet.cli.allocator.Allocator;
import io.reelfleet.cli.fleet.LocalFleet;
import io.reelfleet.cli.fleet.PoolDocument;
import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Waiting for a fleet, with an eye on its processes. */
final class FleetWait {
    private FleetWait() {}

    static void until(LocalFleet fleet, Duration limit, String otherwise, BooleanSupplier condition)
            throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            fleet.checkAlive();
            if (System.nanoTime() > deadline) {
                String why = pool(fleet.allocator()).getReason();
                throw new Failure(
                        otherwise
                                + " within "
                                + limit.toSeconds()
                                + " s"
                                + (why.isEmpty() ? "" : "; the operator says: " + why)
                                + fleet.workersLastWords());
            }
            Thread.sleep(200);
        }
    }

    /** The pool as it is now. */
    static Pool pool(Allocator allocator) {
        return allocator.fleet().getPoolsList().stream()
                .filter(p -> p.getName().equals(PoolDocument.NAME))
                .findFirst()
                .orElse(Pool.getDefaultInstance());
    }
}
