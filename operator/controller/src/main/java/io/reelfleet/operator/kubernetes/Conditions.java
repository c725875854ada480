package io.reelfleet.operator.kubernetes;

import io.reelfleet.crds.Condition;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/** Conditions in the making: a status that has not changed keeps the time of its last change. */
final class Conditions {
    private static final int LONGEST_MESSAGE = 4096;

    private final List<Condition> before;
    private final Long generation;
    private final String now;
    private final List<Condition> made = new ArrayList<>();

    Conditions(List<Condition> before, Long generation, Clock clock) {
        this.before = before;
        this.generation = generation;
        this.now = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    Conditions add(String type, boolean status, String reason, String message) {
        return add(type, status ? Condition.Status.True : Condition.Status.False, reason, message);
    }

    Conditions add(String type, Condition.Status status, String reason, String message) {
        String text =
                message.length() > LONGEST_MESSAGE
                        ? message.substring(0, LONGEST_MESSAGE)
                        : message;
        String since =
                before.stream()
                        .filter(c -> c.type().equals(type) && c.status() == status)
                        .map(Condition::lastTransitionTime)
                        .findFirst()
                        .orElse(now);
        made.add(new Condition(type, status, reason, text, since, generation));
        return this;
    }

    List<Condition> all() {
        return List.copyOf(made);
    }

    static Condition of(List<Condition> conditions, String type) {
        return conditions.stream().filter(c -> c.type().equals(type)).findFirst().orElse(null);
    }
}
