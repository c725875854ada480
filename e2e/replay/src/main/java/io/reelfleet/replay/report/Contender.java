package io.reelfleet.replay.report;

import io.reelfleet.scheduler.Policy;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.Supplier;

/**
 * A policy that takes part.
 *
 * @param name placement+scaler, and {@code @budget} where there is one
 * @param kind what it is
 * @param lateBudget the share of chunks that may be late, where the policy is told one
 * @param workers the fixed number of GPUs that the pool's owner has set; empty: the policy decides
 * @param freeMoves whether it lives in a world where state moves in no time
 * @param fresh makes one for one run
 */
public record Contender(
        String name,
        Kind kind,
        OptionalDouble lateBudget,
        OptionalInt workers,
        boolean freeMoves,
        Supplier<Policy> fresh) {
    /** Whose it is. */
    public enum Kind {
        /** The project's own: the classes that the operator runs. */
        OWN,
        /** Published by others. */
        RIVAL,
        /** Knows the trace or moves for nothing: nobody can run it. */
        HINDSIGHT
    }
}
