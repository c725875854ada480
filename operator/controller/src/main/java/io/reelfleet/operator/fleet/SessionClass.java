package io.reelfleet.operator.fleet;

import io.reelfleet.api.session.v1.SessionSpec;
import io.reelfleet.crds.GPUPoolSpec;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;

/**
 * What a session takes of a worker and when it is its turn, from its classes.
 *
 * @param priority higher goes first: the value of its PriorityClass, without one the priority of
 *     its latency class
 * @param weight its load in ordinary sessions of its pool, never more than a whole worker carries
 */
public record SessionClass(int priority, double weight) {

    /** One that names no class. */
    static final SessionClass ORDINARY = new SessionClass(0, 1);

    static SessionClass of(
            PoolDefinition pool,
            int capacity,
            SessionSpec spec,
            ToIntFunction<String> priorityClasses) {
        String latencyClass = spec.getLatencyClass();
        String priorityClass = spec.getPriorityClass();
        if (latencyClass.isEmpty() && priorityClass.isEmpty()) {
            return ORDINARY;
        }
        Optional<GPUPoolSpec.LatencyClass> of = named(pool, latencyClass);
        int priority =
                priorityClass.isEmpty()
                        ? of.map(GPUPoolSpec.LatencyClass::priority).orElse(0)
                        : priorityClasses.applyAsInt(priorityClass);
        double weight = of.map(GPUPoolSpec.LatencyClass::weight).orElse(1.0);
        return new SessionClass(priority, Math.min(weight, capacity));
    }

    private static Optional<GPUPoolSpec.LatencyClass> named(PoolDefinition pool, String name) {
        return classes(pool).stream().filter(c -> c.name().equals(name)).findFirst();
    }

    private static List<GPUPoolSpec.LatencyClass> classes(PoolDefinition pool) {
        return pool.spec() == null ? List.of() : pool.spec().latency().classes();
    }

    /** A sentence for a latency class that the pool does not have; empty when there is nothing. */
    public static Optional<String> refusal(PoolDefinition pool, String latencyClass) {
        if (latencyClass == null
                || latencyClass.isEmpty()
                || named(pool, latencyClass).isPresent()) {
            return Optional.empty();
        }
        List<String> names = classes(pool).stream().map(GPUPoolSpec.LatencyClass::name).toList();
        return Optional.of(
                "spec.latencyClass: the GPUPool %s has no latency class %s; %s"
                        .formatted(
                                pool.name(),
                                latencyClass,
                                names.isEmpty()
                                        ? "leave it out, or add it to the pool's spec.latency.classes"
                                        : "write one of: " + String.join(", ", names)));
    }
}
