package io.reelfleet.migration.protocol;

import java.util.List;

/**
 * What follows from an event.
 *
 * @param state where the machine stands now
 * @param commands what to do, in this order; each may be carried out twice without harm
 */
public record Reaction<S, C>(S state, List<C> commands) {
    public Reaction {
        commands = List.copyOf(commands);
    }

    @SafeVarargs
    @SuppressWarnings("varargs")
    static <S, C> Reaction<S, C> to(S state, C... commands) {
        return new Reaction<>(state, List.of(commands));
    }
}
