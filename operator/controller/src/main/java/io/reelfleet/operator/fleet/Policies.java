package io.reelfleet.operator.fleet;

import io.reelfleet.scheduler.LeastLoadedPolicy;
import io.reelfleet.scheduler.MigrationAwarePolicy;
import io.reelfleet.scheduler.Policy;
import java.util.Optional;

/** The policies a pool can be run with, by the names its annotations use. */
enum Policies {
    MIGRATION_AWARE("MigrationAware"),
    LEAST_LOADED("LeastLoaded");

    /** Annotation of a GPUPool: the policy that decides. */
    static final String DECIDES = "reelfleet.io/policy";

    /**
     * Annotation of a GPUPool: a policy that decides on the same snapshots, for comparison only.
     */
    static final String SHADOW = "reelfleet.io/shadow-policy";

    private final String title;

    Policies(String title) {
        this.title = title;
    }

    String title() {
        return title;
    }

    /** A policy of its own for one pool. */
    Policy fresh() {
        return switch (this) {
            case MIGRATION_AWARE -> new MigrationAwarePolicy();
            case LEAST_LOADED -> new LeastLoadedPolicy();
        };
    }

    static Optional<Policies> named(String name) {
        for (Policies p : values()) {
            if (p.title.equals(name)) {
                return Optional.of(p);
            }
        }
        return Optional.empty();
    }

    /** What people may write. */
    static String names() {
        return MIGRATION_AWARE.title + " or " + LEAST_LOADED.title;
    }
}
